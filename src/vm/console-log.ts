import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { errnoOf, ProvisionerError } from '../errors.ts';
import { run } from '../host/exec.ts';
import type { VmFiles } from '../host/paths.ts';
import { KiB } from '../types.ts';
import { becomeUser, type QemuUser } from './qemu-user.ts';

/** console.log and console.log.1 hold at most this much each. */
export const CONSOLE_LOG_BYTES = 512 * KiB;

/**
 * Copies the console from a pipe to a log in two halves: a full half becomes the old one. QEMU has no
 * bounded log of its own, and a guest can print for ever. When the disk is full it goes on reading, so
 * that the guest never waits for its console.
 */
const LOGGER = `
while :; do
  dd of="$1" bs=4096 count="$3" iflag=count_bytes conv=notrunc status=none || exec cat >/dev/null
  [ "$(stat -c %s "$1")" -ge "$3" ] || exit 0
  cat "$1" >"$2" || exec cat >/dev/null
  : >"$1"
done`;

export interface ConsoleLog {
  /** Lets go of the pipe: from now on it lives as long as QEMU holds it. */
  release(): void;
}

/**
 * Starts the logger of one run of a VM. It ends by itself when QEMU does: the pipe has no other writer
 * once `release` was called, or this process has ended.
 */
export async function startConsoleLog(
  files: VmFiles,
  user: QemuUser | undefined,
): Promise<ConsoleLog> {
  keepPreviousLog(files, user);
  await run('mkfifo', ['-m', '0600', files.consoleFifo]);
  if (user !== undefined) fs.lchownSync(files.consoleFifo, user.uid, user.gid);
  // Open for both first: on Linux that never blocks, and lets the reading end open at once.
  const { O_RDWR, O_RDONLY, O_NOFOLLOW } = fs.constants;
  const both = fs.openSync(files.consoleFifo, O_RDWR | O_NOFOLLOW);
  try {
    const reading = fs.openSync(files.consoleFifo, O_RDONLY | O_NOFOLLOW);
    try {
      await spawned(startLogger(files, user, reading));
    } finally {
      fs.closeSync(reading);
    }
  } catch (error) {
    fs.closeSync(both);
    throw error;
  }
  return { release: () => fs.closeSync(both) };
}

function startLogger(files: VmFiles, user: QemuUser | undefined, reading: number): ChildProcess {
  const [command = '', ...args] = [
    ...becomeUser(user),
    ...['sh', '-c', LOGGER, 'blockhost-console-log'],
    ...[files.consoleLog, files.consoleLogOld, String(CONSOLE_LOG_BYTES)],
  ];
  return spawn(command, args, { detached: true, stdio: [reading, 'ignore', 'ignore'], cwd: '/' });
}

async function spawned(child: ChildProcess): Promise<void> {
  try {
    await once(child, 'spawn');
  } catch (cause) {
    throw new ProvisionerError('the console log cannot be started', { cause });
  }
  child.unref();
}

/** The last run's log stays readable beside the new one; both belong to the logger's user. */
function keepPreviousLog(files: VmFiles, user: QemuUser | undefined): void {
  try {
    fs.renameSync(files.consoleLog, files.consoleLogOld);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  for (const file of [files.consoleLog, files.consoleLogOld]) {
    const fd = fs.openSync(
      file,
      fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW,
      0o600,
    );
    if (user !== undefined) fs.fchownSync(fd, user.uid, user.gid);
    fs.closeSync(fd);
  }
}
