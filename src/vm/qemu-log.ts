import * as fs from 'node:fs';
import { errnoOf } from '../errors.ts';
import { readFileIfExists } from '../host/files.ts';
import type { VmFiles } from '../host/paths.ts';
import { poll } from '../host/time.ts';
import { KiB } from '../types.ts';
import { openEnd, openFifo } from './fifo.ts';
import { keepPreviousLog, makeLogFile } from './log-file.ts';
import type { QemuUser } from './qemu-user.ts';

/** qemu.log holds the beginning of what QEMU says in one run, at most this much. */
export const QEMU_LOG_BYTES = 64 * KiB;

/** The pipe from QEMU's stderr to the logger that bounds it. */
export interface QemuLog {
  /** The logger's end. */
  readonly reading: number;
  /** QEMU's stdout and stderr. */
  readonly writing: number;
  /** To be called when QEMU was spawned: from then on only those it spawned hold the writing end. */
  spawned(): void;
  /** All that was said by a QEMU that has ended: what the logger has kept, and what it had no time to read. */
  lastWords(): Promise<string>;
  release(): void;
}

export async function openQemuLog(files: VmFiles, user: QemuUser | undefined): Promise<QemuLog> {
  keepPreviousLog(files.qemuLog, files.qemuLogOld);
  makeLogFile(files.qemuLog, user);
  const both = await openFifo(files.qemuFifo);
  const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants;
  const reading = openEnd(files.qemuFifo, O_RDONLY);
  const own = openEnd(files.qemuFifo, O_RDONLY | O_NONBLOCK);
  // For writing only: whoever could also read would keep the pipe from being closed under QEMU.
  const writing = openEnd(files.qemuFifo, O_WRONLY);
  fs.closeSync(both);
  fs.rmSync(files.qemuFifo);
  const open = new Set([writing, reading, own]);
  const close = (...fds: number[]): void => {
    for (const fd of fds) if (open.delete(fd)) fs.closeSync(fd);
  };
  return {
    reading,
    writing,
    spawned: () => close(writing, reading),
    async lastWords() {
      let rest = '';
      const all = (): string => (readFileIfExists(files.qemuLog) ?? '') + rest;
      const drained = (): true | undefined => {
        const { text, end } = drain(own);
        rest += text;
        return end && all() !== '' ? true : undefined;
      };
      await poll(drained, { deadlineMs: SILENCE_MS, everyMs: 20 });
      return all();
    },
    release: () => close(writing, reading, own),
  };
}

/** A QEMU that has said nothing is believed after this time: its logger may be a moment behind. */
const SILENCE_MS = 300;

/** What lies in the pipe; `end` when nobody can write to it any more. */
function drain(fd: number): { text: string; end: boolean } {
  const buffer = Buffer.alloc(QEMU_LOG_BYTES);
  let text = '';
  for (;;) {
    try {
      const count = fs.readSync(fd, buffer);
      if (count === 0) return { text, end: true };
      text += buffer.toString('utf8', 0, count);
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') throw error;
      return { text, end: false };
    }
  }
}
