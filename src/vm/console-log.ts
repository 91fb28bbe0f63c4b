import * as fs from 'node:fs';
import { errnoOf } from '../errors.ts';
import { run } from '../host/exec.ts';
import type { VmFiles } from '../host/paths.ts';
import { KiB } from '../types.ts';
import type { QemuUser } from './qemu-user.ts';

/** console.log and console.log.1 hold at most this much each. */
export const CONSOLE_LOG_BYTES = 512 * KiB;

/**
 * Copies the console from a pipe to a log in two halves: a full half becomes the old one. QEMU has no
 * bounded log of its own, and a guest can print for ever. When the disk is full it goes on reading, so
 * that the guest never waits for its console. Only the end of the pipe ends it, not the SIGTERM that
 * everything around QEMU gets when its scope or the host is stopped: the last words count.
 *
 * QEMU writes a serial console byte by byte, and dd counts every read as a block: it often ends before
 * it has copied its count. Small blocks make that rare; only one that copied nothing has met the end.
 */
const LOGGER = `
trap '' TERM
size=0
while :; do
  dd of="$1" oflag=append conv=notrunc bs=64 count=$(($3 - size)) iflag=count_bytes status=none ||
    exec cat >/dev/null
  now=$(stat -c %s "$1")
  [ "$now" -ne "$size" ] || exit 0
  size=$now
  [ "$size" -ge "$3" ] || continue
  cat "$1" >"$2" || exec cat >/dev/null
  : >"$1"
  size=0
done`;

/**
 * Leaves the logger as a child behind and executes the rest of argv in its own place. The logger reads
 * what was stdin, and holds nothing else of what the command is given: not a tap's descriptor, not the log.
 */
const BESIDE = `
umask 007
exec 4<&0 </dev/null
sh -c "$1" blockhost-console-log "$2" "$3" "$4" <&4 3<&- 4<&- >/dev/null 2>&1 &
shift 4
exec "$@" 4<&-`;

/**
 * argv prefix that starts the logger beside QEMU: a child of the same process, it is wherever the runner
 * has put that, and no end of the command that started both takes it away. Stdin is `ConsoleLog.reading`.
 */
export function consoleLogPrefix(files: Pick<VmFiles, 'consoleLog' | 'consoleLogOld'>): string[] {
  const halves = [files.consoleLog, files.consoleLogOld, String(CONSOLE_LOG_BYTES)];
  return ['sh', '-c', BESIDE, 'blockhost-vm', LOGGER, ...halves];
}

/** The pipe from QEMU to the logger. */
export interface ConsoleLog {
  /** The logger's end. */
  readonly reading: number;
  /** Lets go of the pipe: from now on it lives as long as QEMU holds it. */
  release(): void;
}

/**
 * Makes the pipe of one run of a VM. The logger ends by itself when QEMU does: the pipe has no other
 * writer once `release` was called, or this process has ended.
 */
export async function openConsoleLog(
  files: VmFiles,
  user: QemuUser | undefined,
): Promise<ConsoleLog> {
  keepPreviousLog(files, user);
  fs.rmSync(files.consoleFifo, { force: true });
  await run('mkfifo', ['-m', '0600', files.consoleFifo]);
  if (user !== undefined) fs.lchownSync(files.consoleFifo, user.uid, user.gid);
  // Open for both first: on Linux that never blocks, and lets either end open at once.
  const { O_RDWR, O_RDONLY, O_NOFOLLOW } = fs.constants;
  const both = fs.openSync(files.consoleFifo, O_RDWR | O_NOFOLLOW);
  try {
    const reading = fs.openSync(files.consoleFifo, O_RDONLY | O_NOFOLLOW);
    return {
      reading,
      release() {
        fs.closeSync(reading);
        fs.closeSync(both);
      },
    };
  } catch (error) {
    fs.closeSync(both);
    throw error;
  }
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
      0o640,
    );
    fs.fchmodSync(fd, 0o640);
    if (user !== undefined) fs.fchownSync(fd, user.uid, user.accessGid);
    fs.closeSync(fd);
  }
}
