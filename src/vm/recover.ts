import type { VmName } from '../types.ts';
import { finishDestroy } from './destroy.ts';
import { endQemu } from './end.ts';
import type { Host } from './host.ts';
import { Journal, readJournal } from './journal.ts';
import { removeRun } from './remove.ts';

/**
 * Finishes what a command that died left half-done. The VM's lock is held, so whoever wrote the
 * journal is gone.
 */
export async function recover(host: Host, name: VmName): Promise<void> {
  const entry = readJournal(host, name);
  if (entry === undefined) return;
  host.report(`an earlier ${entry.verb} of ${name} was interrupted: cleaning up`);
  const files = host.paths.vm(name);
  if (entry.verb === 'start') {
    await endQemu(files, { graceMs: 1000 });
    await removeRun(host, name);
  } else if (entry.verb === 'destroy' || (await host.store.get(name)) === undefined) {
    await finishDestroy(host, name);
  }
  new Journal(host, name, entry.verb).end();
}
