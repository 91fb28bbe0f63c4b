import * as os from 'node:os';
import * as path from 'node:path';
import * as z from 'zod/mini';
import { InputError, messageOf, ProvisionerError } from '../errors.ts';
import { readFileIfExists } from './files.ts';
import { describeMismatch } from './mismatch.ts';
import { Paths } from './paths.ts';
import { chooseRole, type Role } from './role.ts';

const Ipv4 = z
  .string()
  .check(z.regex(/^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/));

const AccountName = z.string().check(z.regex(/^[a-z_][a-z0-9_-]{0,31}$/));

/**
 * /etc/blockhost-qemu/config.yaml, or the file BLOCKHOST_QEMU_CONFIG names. Every key is optional, and
 * what is not set is found out on the host.
 */
const ConfigFile = z.strictObject({
  /** Templates, disks, records. */
  state_dir: z.optional(z.string().check(z.startsWith('/'))),
  /** Sockets and pid files; short, because socket paths are limited to 107 bytes. */
  run_dir: z.optional(z.string().check(z.startsWith('/'))),
  runner: z._default(z.enum(['auto', 'systemd', 'direct']), 'auto'),
  network: z._default(z.enum(['user', 'bridge']), 'user'),
  accel: z._default(z.enum(['auto', 'kvm', 'tcg']), 'auto'),
  /** The bridge VMs are plugged into when `network` is bridge. */
  bridge: z.optional(z.string().check(z.regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/))),
  /** IPv4 addresses for VMs on the bridge; without it they use DHCP. */
  ip_pool: z.optional(
    z.strictObject({
      network: z.string().check(z.regex(/^[0-9.]+\/\d{1,2}$/)),
      start: z.int().check(z.gte(1), z.lte(254)),
      end: z.int().check(z.gte(1), z.lte(254)),
      gateway: Ipv4,
    }),
  ),
  /** Who does what needs privileges (host/role.ts). */
  root: z._default(z.enum(['auto', 'own', 'agent', 'split']), 'auto'),
  root_agent_socket: z._default(
    z.string().check(z.startsWith('/')),
    '/run/blockhost/root-agent.sock',
  ),
  /** Where the unprivileged side keeps locks and journals when it is not the owner of `state_dir`. */
  front_dir: z._default(z.string().check(z.startsWith('/')), '/var/lib/blockhost/qemu'),
  /** System user of the unprivileged side. */
  front_user: z._default(AccountName, 'blockhost'),
  /** Group that may talk to the VMs: sockets, console log. Without it the sampler's group, else root's. */
  access_group: z._default(AccountName, 'blockhost'),
  /** Numbers of the users VMs started by root run as: each VM has one of its own. */
  qemu_uids: z._default(
    z.strictObject({ first: z.int().check(z.gte(1000)), last: z.int().check(z.gte(1000)) }),
    () => ({ first: 65_600, last: 99_999 }),
  ),
  qemu_binary: z._default(z.string(), 'qemu-system-x86_64'),
  /** Seconds `create` waits for the guest agent and the user account. */
  ready_timeout: z._default(z.int().check(z.gte(1), z.lte(3600)), 180),
  default_expiry_days: z._default(z.int().check(z.gte(0), z.lte(36_500)), 30),
  /** Days `gc` leaves a suspended VM alone before it is destroyed. */
  gc_grace_days: z._default(z.int().check(z.gte(0)), 7),
  /** Whose records: BlockHost's database, or a file of our own. */
  store: z._default(z.enum(['auto', 'blockhost', 'embedded']), 'auto'),
  /** Where BlockHost keeps its configuration. */
  blockhost_dir: z._default(z.string().check(z.startsWith('/')), '/etc/blockhost'),
});

export type Settings = z.infer<typeof ConfigFile>;

export interface Config {
  settings: Settings;
  /** Keys that stand in the configuration file: no default found elsewhere replaces them. */
  given: ReadonlySet<string>;
  paths: Paths;
  role: Role;
}

/** The file read when BLOCKHOST_QEMU_CONFIG is not set; it need not exist. */
const DEFAULT_CONFIG = '/etc/blockhost-qemu/config.yaml';

/**
 * Settings in order of precedence: environment (BLOCKHOST_QEMU_STATE_DIR, BLOCKHOST_QEMU_RUN_DIR), file, defaults.
 * @throws InputError naming the file and the key that is wrong.
 */
export async function loadConfig(
  env: NodeJS.ProcessEnv = process.env,
  setting?: Settings['root'],
): Promise<Config> {
  const { settings, given } = await readSettings(env);
  const role = chooseRole({
    setting: setting ?? settings.root,
    ownFolder: env.BLOCKHOST_QEMU_STATE_DIR !== undefined,
    agentSocket: settings.root_agent_socket,
    blockhostState: path.dirname(settings.front_dir),
    user: settings.front_user,
  });
  const system = role.kind !== 'own' || process.getuid?.() === 0;
  const state =
    env.BLOCKHOST_QEMU_STATE_DIR ??
    settings.state_dir ??
    (system ? SYSTEM_STATE : userStateDirectory(env));
  const run =
    env.BLOCKHOST_QEMU_RUN_DIR ??
    settings.run_dir ??
    (system && state === SYSTEM_STATE ? SYSTEM_RUN : path.join(state, 'run'));
  const front = role.kind === 'own' ? state : settings.front_dir;
  const [s, r, f] = [state, run, front].map(absolute) as [string, string, string];
  return { settings, given, paths: new Paths(s, r, f), role };
}

const SYSTEM_STATE = '/var/lib/blockhost-qemu';
const SYSTEM_RUN = '/run/blockhost-qemu';

function absolute(directory: string): string {
  if (path.isAbsolute(directory)) return path.normalize(directory);
  throw new InputError(`${directory} is not an absolute path`);
}

async function readSettings(env: NodeJS.ProcessEnv): Promise<Pick<Config, 'settings' | 'given'>> {
  const named = env.BLOCKHOST_QEMU_CONFIG;
  const file = named ?? DEFAULT_CONFIG;
  const text = readFileIfExists(file);
  if (text === undefined) {
    if (named !== undefined) throw new InputError(`the configuration file ${file} does not exist`);
    return { settings: z.parse(ConfigFile, {}), given: new Set() };
  }
  let content: unknown;
  try {
    const { parse } = await import('yaml');
    content = parse(text) ?? {};
  } catch (error) {
    throw new InputError(`${file} is not valid YAML: ${messageOf(error).split('\n')[0]}`, {
      cause: error,
    });
  }
  const result = z.safeParse(ConfigFile, content);
  if (result.success) {
    return { settings: result.data, given: new Set(Object.keys(content as object)) };
  }
  throw new InputError(`${file}: ${describeMismatch(result.error, content)}`);
}

/** Sockets are kept below it too, not in XDG_RUNTIME_DIR: that goes when its user logs out, and VMs stay. */
function userStateDirectory(env: NodeJS.ProcessEnv): string {
  return path.join(env.XDG_STATE_HOME ?? path.join(os.homedir(), '.local/state'), 'blockhost-qemu');
}

/** Turns a failure to use our own directories into words; any other error stays as it is. */
export function explainAccess(error: unknown, { state, run, front }: Paths): unknown {
  const { code, path: file } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ProvisionerError(`the file system of ${state} is full`, {
      hint: 'free some space there; destroying a VM frees its disk',
      cause: error,
    });
  }
  const directory = [front, state, run].find((own) => file === own || file?.startsWith(`${own}/`));
  const why = code === undefined ? undefined : ACCESS[code];
  if (directory === undefined || why === undefined) return error;
  return new ProvisionerError(`${directory} ${why}`, {
    hint: 'run the command as root, or set BLOCKHOST_QEMU_STATE_DIR to a folder of yours',
    cause: error,
  });
}

const ACCESS: Record<string, string> = {
  EACCES: 'cannot be used by this user',
  EPERM: 'cannot be used by this user',
  EROFS: 'is on a read-only file system',
  ENOTDIR: 'is not a directory',
  EEXIST: 'is not a directory',
};
