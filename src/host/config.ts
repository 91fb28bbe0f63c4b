import * as os from 'node:os';
import * as path from 'node:path';
import * as z from 'zod/mini';
import { InputError, messageOf, ProvisionerError } from '../errors.ts';
import { readFileIfExists } from './files.ts';
import { describeMismatch } from './mismatch.ts';
import { Paths } from './paths.ts';
import { chooseRole, type Role } from './role.ts';

/**
 * /etc/blockhost-qemu/config.yaml, or the file BLOCKHOST_QEMU_CONFIG names. Every key is optional, and
 * what is not set is found out on the host. Made when there is a file: it costs as much as many a verb's work.
 */
const configFile = () => {
  const ipv4 = z
    .string()
    .check(z.regex(/^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/));
  const account = z.exactOptional(z.string().check(z.regex(/^[a-z_][a-z0-9_-]{0,31}$/)));
  const directory = z.exactOptional(z.string().check(z.startsWith('/')));
  const id = z.int().check(z.gte(1000));
  return z.strictObject({
    /** Templates, disks, records. */
    state_dir: directory,
    /** Sockets and pid files; short, because socket paths are limited to 107 bytes. */
    run_dir: directory,
    runner: z.exactOptional(z.enum(['auto', 'systemd', 'direct'])),
    network: z.exactOptional(z.enum(['user', 'bridge'])),
    accel: z.exactOptional(z.enum(['auto', 'kvm', 'tcg'])),
    /** The bridge VMs are plugged into when `network` is bridge. */
    bridge: z.exactOptional(z.string().check(z.regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/))),
    /** IPv4 addresses for VMs on the bridge; without it they use DHCP. */
    ip_pool: z.exactOptional(
      z.strictObject({
        network: z.string().check(z.regex(/^[0-9.]+\/\d{1,2}$/)),
        start: z.int().check(z.gte(1), z.lte(254)),
        end: z.int().check(z.gte(1), z.lte(254)),
        gateway: ipv4,
      }),
    ),
    /** Who does what needs privileges (host/role.ts). */
    root: z.exactOptional(z.enum(['auto', 'own', 'agent', 'split'])),
    root_agent_socket: directory,
    /** Where the unprivileged side keeps locks and journals when it is not the owner of `state_dir`. */
    front_dir: directory,
    /** System user of the unprivileged side. */
    front_user: account,
    /** Group that may talk to the VMs: sockets, console log. Without it the sampler's group, else root's. */
    access_group: account,
    /** Numbers of the users VMs started by root run as: each VM has one of its own. */
    qemu_uids: z.exactOptional(z.strictObject({ first: id, last: id })),
    qemu_binary: z.exactOptional(z.string()),
    /** Seconds `create` waits for the guest agent and the user account. */
    ready_timeout: z.exactOptional(z.int().check(z.gte(1), z.lte(3600))),
    default_expiry_days: z.exactOptional(z.int().check(z.gte(0), z.lte(36_500))),
    /** Days `gc` leaves a suspended VM alone before it is destroyed. */
    gc_grace_days: z.exactOptional(z.int().check(z.gte(0))),
    /** Whose records: BlockHost's database, or a file of our own. */
    store: z.exactOptional(z.enum(['auto', 'blockhost', 'embedded'])),
    /** Where BlockHost keeps its configuration. */
    blockhost_dir: directory,
  });
};
type ConfigFile = z.infer<ReturnType<typeof configFile>>;

const DEFAULTS = {
  runner: 'auto',
  network: 'user',
  accel: 'auto',
  root: 'auto',
  root_agent_socket: '/run/blockhost/root-agent.sock',
  front_dir: '/var/lib/blockhost/qemu',
  front_user: 'blockhost',
  access_group: 'blockhost',
  qemu_uids: { first: 65_600, last: 99_999 },
  qemu_binary: 'qemu-system-x86_64',
  ready_timeout: 180,
  default_expiry_days: 30,
  gc_grace_days: 7,
  store: 'auto',
  blockhost_dir: '/etc/blockhost',
} satisfies ConfigFile;

export type Settings = ConfigFile & Required<Pick<ConfigFile, keyof typeof DEFAULTS>>;

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
  throw new InputError(`${directory || 'an empty text'} is not an absolute path`, {
    hint: 'BLOCKHOST_QEMU_STATE_DIR, BLOCKHOST_QEMU_RUN_DIR and the settings name directories',
  });
}

async function readSettings(env: NodeJS.ProcessEnv): Promise<Pick<Config, 'settings' | 'given'>> {
  const named = env.BLOCKHOST_QEMU_CONFIG;
  const file = named ?? DEFAULT_CONFIG;
  const text = readFileIfExists(file);
  if (text === undefined) {
    if (named !== undefined) throw new InputError(`the configuration file ${file} does not exist`);
    return { settings: DEFAULTS, given: new Set() };
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
  const result = z.safeParse(configFile(), content);
  if (result.success) {
    const settings = { ...DEFAULTS, ...result.data };
    return { settings, given: new Set(Object.keys(content as object)) };
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
  const remedy = code === 'EROFS' ? 'mount it for writing' : 'run the command as root';
  return new ProvisionerError(`${directory} ${why}`, {
    hint: `${remedy}, or set BLOCKHOST_QEMU_STATE_DIR to a folder of yours`,
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
