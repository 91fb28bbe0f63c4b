import type { VmName } from '../types.ts';
import { finishDestroy } from './destroy.ts';
import { endVm } from './end-vm.ts';
import type { Host } from './host.ts';
import { Journal, readJournal } from './journal.ts';

/** Milliseconds for the QEMU of a start that was interrupted. */
const GRACE_MS = 1000;

/**
 * Finishes what a command that died left half-done. The VM's lock is held, so whoever wrote the
 * journal is gone.
 */
export async function recover(host: Host, name: VmName): Promise<void> {
  const entry = readJournal(host, name);
  if (entry === undefined) return;
  host.report(`an earlier ${entry.verb} of ${name} was interrupted: cleaning up`);
  const record = await host.store.get(name);
  const lives = record !== undefined && record.status !== 'destroyed';
  if (entry.verb === 'start') await endVm(host, name, GRACE_MS);
  else if (entry.verb === 'destroy' || !lives) await finishDestroy(host, name);
  new Journal(host, name, entry.verb).end();
}
