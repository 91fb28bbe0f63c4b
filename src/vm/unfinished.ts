import * as fs from 'node:fs';
import { BusyError } from '../errors.ts';
import { isVmName, type VmName } from '../types.ts';
import { isAbandoned } from './backup/abandoned.ts';
import type { Host } from './host.ts';
import { hasJournal } from './journal.ts';
import { withVmLock } from './lock.ts';
import { recover } from './recover.ts';

/** VMs whose last verb, or a backup, died half-way. */
export async function unfinished(host: Pick<Host, 'paths' | 'role'>): Promise<VmName[]> {
  const { journals, vms } = host.paths;
  const found = namesIn(journals).map((file) => file.replace(/\.json$/, ''));
  for (const name of namesIn(vms).filter(isVmName))
    if (await isAbandoned(host, name)) found.push(name);
  return [...new Set(found)].filter(isVmName);
}

function namesIn(directory: string): string[] {
  return fs.existsSync(directory) ? fs.readdirSync(directory) : [];
}

/**
 * Finishes or undoes what a killed verb left, unless it is a verb that is still under way.
 * @returns false when that was not possible: another verb has the VM, or something hinders it, which is reported.
 */
export async function finish(host: Host, name: VmName): Promise<boolean> {
  try {
    await withVmLock(host, name, 'gc', () => recover(host, name), 0);
    return !hasJournal(host, name) && !(await isAbandoned(host, name));
  } catch (error) {
    if (error instanceof BusyError) return false;
    throw error;
  }
}
