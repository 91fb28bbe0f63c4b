import * as os from 'node:os';
import * as path from 'node:path';
import * as z from 'zod/mini';
import { InputError, messageOf, ProvisionerError } from '../errors.ts';
import { readFileIfExists } from './files.ts';
import { describeMismatch } from './mismatch.ts';
import { Paths } from './paths.ts';

const Ipv4 = z
  .string()
  .check(z.regex(/^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/));

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
  /** System user QEMU is run as when the command is run by root. */
  qemu_user: z._default(z.string().check(z.regex(/^[a-z_][a-z0-9_-]{0,31}$/)), 'blockhost-qemu'),
  qemu_binary: z._default(z.string(), 'qemu-system-x86_64'),
  /** Seconds `create` waits for the guest agent and the user account. */
  ready_timeout: z._default(z.int().check(z.gte(1), z.lte(3600)), 180),
  default_expiry_days: z._default(z.int().check(z.gte(0)), 30),
});

export type Settings = z.infer<typeof ConfigFile>;

export interface Config {
  settings: Settings;
  paths: Paths;
}

/** The file read when BLOCKHOST_QEMU_CONFIG is not set; it need not exist. */
export const DEFAULT_CONFIG = '/etc/blockhost-qemu/config.yaml';

/**
 * Settings in order of precedence: environment (BLOCKHOST_QEMU_STATE_DIR, BLOCKHOST_QEMU_RUN_DIR), file, defaults.
 * @throws InputError naming the file and the key that is wrong.
 */
export async function loadConfig(env: NodeJS.ProcessEnv = process.env): Promise<Config> {
  const settings = await readSettings(env);
  const state = env.BLOCKHOST_QEMU_STATE_DIR ?? settings.state_dir ?? defaultStateDirectory(env);
  const run =
    env.BLOCKHOST_QEMU_RUN_DIR ??
    settings.run_dir ??
    (env.BLOCKHOST_QEMU_STATE_DIR === undefined && settings.state_dir === undefined
      ? defaultRunDirectory(env)
      : path.join(state, 'run'));
  for (const directory of [state, run]) {
    if (!path.isAbsolute(directory)) throw new InputError(`${directory} is not an absolute path`);
  }
  return { settings, paths: new Paths(path.normalize(state), path.normalize(run)) };
}

async function readSettings(env: NodeJS.ProcessEnv): Promise<Settings> {
  const named = env.BLOCKHOST_QEMU_CONFIG;
  const file = named ?? DEFAULT_CONFIG;
  const text = readFileIfExists(file);
  if (text === undefined) {
    if (named !== undefined) throw new InputError(`the configuration file ${file} does not exist`);
    return z.parse(ConfigFile, {});
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
  if (result.success) return result.data;
  throw new InputError(`${file}: ${describeMismatch(result.error, content)}`);
}

function defaultStateDirectory(env: NodeJS.ProcessEnv): string {
  if (process.getuid?.() === 0) return '/var/lib/blockhost-qemu';
  return path.join(env.XDG_STATE_HOME ?? path.join(os.homedir(), '.local/state'), 'blockhost-qemu');
}

/** Not below XDG_RUNTIME_DIR: that goes when its user logs out, and VMs stay. */
function defaultRunDirectory(env: NodeJS.ProcessEnv): string {
  if (process.getuid?.() === 0) return '/run/blockhost-qemu';
  return path.join(defaultStateDirectory(env), 'run');
}

/** Turns a failure to use our own directories into words; any other error stays as it is. */
export function explainAccess(error: unknown, { state, run }: Paths): unknown {
  const { code, path: file } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ProvisionerError(`the file system of ${state} is full`, {
      hint: 'free some space there; destroying a VM frees its disk',
      cause: error,
    });
  }
  const directory = [state, run].find((own) => file === own || file?.startsWith(`${own}/`));
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
