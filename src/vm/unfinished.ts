import * as fs from 'node:fs';
import { BusyError } from '../errors.ts';
import { isVmName, type VmName } from '../types.ts';
import type { Host } from './host.ts';
import { withVmLock } from './lock.ts';
import { recover } from './recover.ts';

/** VMs whose last verb died half-way. */
export function unfinished(host: Pick<Host, 'paths'>): VmName[] {
  if (!fs.existsSync(host.paths.journals)) return [];
  return fs
    .readdirSync(host.paths.journals)
    .map((file) => file.replace(/\.json$/, ''))
    .filter(isVmName);
}

/** Finishes or undoes what a killed verb left, unless it is a verb that is still under way. */
export async function finish(host: Host, name: VmName): Promise<boolean> {
  try {
    await withVmLock(host, name, 'gc', () => recover(host, name), 0);
    return true;
  } catch (error) {
    if (error instanceof BusyError) return false;
    throw error;
  }
}
