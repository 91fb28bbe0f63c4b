import * as fs from 'node:fs';
import { errnoOf } from '../errors.ts';
import { identify, type ProcessIdentity } from './process.ts';

/**
 * Processes by their command line. Anybody can write anything there: only those of the users named are believed.
 */
export function findProcesses(
  owners: ReadonlySet<number>,
  isWanted: (argv: readonly string[]) => boolean,
): ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (!owners.has(fs.statSync(`/proc/${entry}`).uid)) continue;
      if (!isWanted(fs.readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0'))) continue;
    } catch (error) {
      if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) continue;
      throw error;
    }
    const identity = identify(Number(entry));
    if (identity !== undefined) found.push(identity);
  }
  return found;
}
