import type { VmName } from '../types.ts';
import { settleAbandoned } from './backup/settle-abandoned.ts';
import { finishDestroy } from './destroy.ts';
import { endVm } from './end-vm.ts';
import type { Host } from './host.ts';
import { Journal, readJournal } from './journal.ts';
import { isMended, mend } from './mend.ts';
import { isBeginning, type Observation, observe } from './observe.ts';

/** Milliseconds for the QEMU of a start that was interrupted. */
const GRACE_MS = 1000;

/**
 * Finishes what a command that died left half-done. The VM's lock is held, so whoever wrote the
 * journal is gone.
 */
export async function recover(host: Host, name: VmName): Promise<void> {
  await finishVerb(host, name);
  await settleAbandoned(host, name);
}

async function finishVerb(host: Host, name: VmName): Promise<void> {
  const entry = readJournal(host, name);
  if (entry === undefined) return;
  const journal = new Journal(host, name, entry);
  if (entry.verb === 'start' && (await isUp(host, name))) return journal.end();
  host.report(`an earlier ${entry.verb} of ${name} was interrupted: cleaning up`);
  if (isMended(entry)) {
    // What cannot be mended now keeps nobody from stopping the VM, and is tried again by the next.
    if (await mend(host, name, entry)) journal.end();
    return;
  }
  const record = await host.store.get(name);
  const lives = record !== undefined && record.status !== 'destroyed';
  if (entry.verb === 'start') await endVm(host, name, 'start', GRACE_MS);
  else if (entry.verb === 'destroy' || !lives) await finishDestroy(host, name);
  journal.end();
}

/** A start that was interrupted when all was done, but for saying so: its guest runs, and is left alone. */
async function isUp(host: Host, name: VmName): Promise<boolean> {
  const { qemuStatus, incarnation } = await observe(host, name).catch(() => ({}) as Observation);
  return incarnation !== undefined && qemuStatus !== undefined && !isBeginning(qemuStatus);
}
