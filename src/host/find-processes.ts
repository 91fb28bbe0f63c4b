import * as fs from 'node:fs';
import { errnoOf } from '../errors.ts';
import { identify, type ProcessIdentity } from './process.ts';

/**
 * Processes by their command line. Anybody can write anything there: only those of the users named are believed.
 */
export function findProcesses(
  owners: Pick<ReadonlySet<number>, 'has'>,
  isWanted: (argv: readonly string[]) => boolean,
): ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (!owners.has(fs.statSync(`/proc/${entry}`).uid)) continue;
      if (!isWanted(commandLineOf(entry))) continue;
    } catch (error) {
      if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) continue;
      throw error;
    }
    const identity = identify(Number(entry));
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

/** More than execve(2) takes of one argument; a process can make its own as long as its memory (PR_SET_MM, prctl(2)). */
const LONGEST = 256 * 1024;
let scratch: Buffer | undefined;

/** The words of a process's command line, as far as anybody looks. */
export function commandLineOf(pid: string): string[] {
  const fd = fs.openSync(`/proc/${pid}/cmdline`, 'r');
  try {
    scratch ??= Buffer.allocUnsafe(LONGEST);
    let length = 0;
    for (let read = -1; read !== 0 && length < LONGEST; length += read)
      read = fs.readSync(fd, scratch, length, LONGEST - length, null);
    return scratch.toString('utf8', 0, length).split('\0');
  } finally {
    fs.closeSync(fd);
  }
}
