import * as fs from 'node:fs';
import type { VmFiles } from '../host/paths.ts';
import { KiB } from '../types.ts';
import { openEnd, openFifo } from './fifo.ts';
import { keepPreviousLog, makeLogFile } from './log-file.ts';
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
export const CONSOLE_LOGGER = `
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
  keepPreviousLog(files.consoleLog, files.consoleLogOld);
  for (const file of [files.consoleLog, files.consoleLogOld]) makeLogFile(file, user);
  const both = await openFifo(files.consoleFifo, user);
  try {
    const reading = openEnd(files.consoleFifo, fs.constants.O_RDONLY);
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
