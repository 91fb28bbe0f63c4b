import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ProvisionerError } from '../errors.ts';
import type { VmFiles } from '../host/paths.ts';
import { identify, type ProcessIdentity } from '../host/process.ts';
import { monotonicMs, sleep } from '../host/time.ts';
import { QmpClient } from '../qmp/client.ts';
import { QmpGoneError } from '../qmp/errors.ts';
import type { VmName } from '../types.ts';
import type { QemuLog } from './qemu-log.ts';

/** QEMU ended instead of answering; `detail` holds its last words. */
export class QemuEndedError extends ProvisionerError {}

export interface Launched {
  process: ProcessIdentity;
  /** Ready for commands; the caller closes it. */
  qmp: QmpClient;
}

export interface LaunchOptions {
  name: VmName;
  argv: string[];
  /** A descriptor the command reads from. */
  stdin: number;
  /** Takes what it says. */
  log: QemuLog;
  files: VmFiles;
  signal: AbortSignal;
  /** Called as soon as there is a process, before anything else can fail. */
  onProcess(process: ProcessIdentity): void;
}

/** QEMU answers some 30 ms after its start; a host under heavy load may take long. */
const GREETING_DEADLINE_MS = 20_000;
const POLL_MS = 5;

/**
 * Starts QEMU as a process of its own session that holds none of our descriptors, and waits for QMP.
 * @throws QemuEndedError when it ends instead of answering.
 */
export async function launchQemu(options: LaunchOptions): Promise<Launched> {
  const { name, argv, stdin, log, files, signal } = options;
  const [command = '', ...args] = argv;
  const child = spawn(command, args, {
    detached: true,
    stdio: [stdin, log.writing, log.writing, 'ignore', log.reading],
    cwd: '/',
    env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
  });
  log.spawned();
  const ended = new AbortController();
  child.once('exit', (code, by) => ended.abort(by === null ? `exit code ${code}` : by));
  try {
    await once(child, 'spawn');
  } catch (cause) {
    throw new ProvisionerError(`VM ${name}: ${command} cannot be started`, {
      hint: 'is it installed?',
      cause,
    });
  }
  child.unref();
  const found = child.pid === undefined ? undefined : identify(child.pid);
  if (found === undefined) throw await died(name, log, ended.signal);
  options.onProcess(found);
  const qmp = await answer(files, ended.signal, signal);
  if (qmp !== undefined) return { process: found, qmp };
  if (ended.signal.aborted) throw await died(name, log, ended.signal);
  throw new ProvisionerError(
    `VM ${name}: QEMU was started but did not answer within ${GREETING_DEADLINE_MS / 1000} s`,
    { detail: readable(await log.lastWords()) },
  );
}

async function answer(
  files: VmFiles,
  ended: AbortSignal,
  signal: AbortSignal,
): Promise<QmpClient | undefined> {
  const end = monotonicMs() + GREETING_DEADLINE_MS;
  while (!ended.aborted && monotonicMs() < end) {
    signal.throwIfAborted();
    try {
      return await QmpClient.connect(files.qmp, { deadlineMs: end - monotonicMs(), signal });
    } catch (error) {
      if (!(error instanceof QmpGoneError)) throw error;
    }
    await sleep(POLL_MS, signal);
  }
  return undefined;
}

/** QEMU, or one of the commands before it that prepare its place: each says what it is about. */
async function died(name: VmName, log: QemuLog, ended: AbortSignal): Promise<QemuEndedError> {
  const words = readable(await log.lastWords());
  const last = words.split('\n').at(-1) || `it ended (${ended.reason}) and said nothing`;
  return new QemuEndedError(`VM ${name}: QEMU did not start: ${last}`, { detail: words });
}

/** Without time stamps and the speaker's own path. */
function readable(words: string): string {
  return words
    .trim()
    .split('\n')
    .map((line) => line.replace(/^\S+Z /, '').replace(SPEAKER, ''))
    .slice(-20)
    .join('\n');
}

/** QEMU itself, and the shell that executes it (loggers.ts). */
const SPEAKER = /^(\S*qemu-system-\w+|blockhost-vm: (line )?\d+: exec): /;
