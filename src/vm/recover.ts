import * as fs from 'node:fs';
import { messageOf, ProvisionerError } from '../errors.ts';
import type { VmFiles } from '../host/paths.ts';
import type { Ender } from '../store/last-run.ts';
import type { VmName } from '../types.ts';
import { settleAbandoned } from './backup/settle-abandoned.ts';
import { finishDestroy } from './destroy.ts';
import { endVm } from './end-vm.ts';
import type { Host } from './host.ts';
import { Journal, type JournalEntry, readJournal } from './journal.ts';
import { isMended, mend } from './mend.ts';
import { isBeginning, observe } from './observe.ts';
import { settleAttempt } from './restart/attempts.ts';

/** Milliseconds for the QEMU of a start that was interrupted. */
const GRACE_MS = 1000;
/** Milliseconds for it to tell whether its guest runs, or to be mended for somebody who ends the VM. */
const PATIENCE_MS = 5000;

/**
 * Finishes what a command that died left half-done. The VM's lock is held, so whoever wrote the
 * journal is gone.
 * @param ending whether the verb ends the VM's QEMU, whatever it does.
 * @throws ProvisionerError when that cannot be told.
 */
export async function recover(
  host: Host,
  name: VmName,
  { ending = false }: { ending?: boolean } = {},
): Promise<void> {
  await finishVerb(host, name, ending);
  await settleAbandoned(host, name);
}

async function finishVerb(host: Host, name: VmName, ending: boolean): Promise<void> {
  const entry = entryOf(host, name, ending);
  if (entry === undefined) return;
  const journal = new Journal(host, name, entry);
  let starter: Ender = 'start';
  if (entry.verb === 'start') {
    const { state, qemuStatus } = await observe(host, name, PATIENCE_MS);
    const ran = hasRun(host.paths.vm(name));
    // It may be somebody's guest at work; who ends the VM need not know, and the next verb looks again.
    if (state === 'unknown' && ran) {
      if (ending) return;
      throw untold(name);
    }
    const runs = qemuStatus !== undefined && !isBeginning(qemuStatus);
    if (settleAttempt(host.paths, name, ran || runs)) starter = 'restart-crashed';
    if (runs) {
      // At most the last touch is missing.
      if (state === 'running' && !ending) await host.root.start({ name });
      return journal.end();
    }
  }
  host.report(`an earlier ${entry.verb} of ${name} was interrupted: cleaning up`);
  if (isMended(entry)) {
    // What cannot be mended now keeps nobody from stopping the VM, and is tried again by the next.
    if (await mend(host, name, entry, ending ? PATIENCE_MS : undefined)) journal.end();
    return;
  }
  const record = await host.store.get(name);
  const lives = record !== undefined && record.status !== 'destroyed';
  if (entry.verb === 'start') await endVm(host, name, starter, GRACE_MS);
  else if (entry.verb === 'destroy' || !lives) await finishDestroy(host, name);
  journal.end();
}

/** A damaged one tells nothing: that keeps nobody from ending the VM. */
function entryOf(host: Host, name: VmName, ending: boolean): JournalEntry | undefined {
  try {
    return readJournal(host, name);
  } catch (error) {
    if (!ending) throw error;
    host.report(`VM ${name}: ${messageOf(error)}`);
    return undefined;
  }
}

/** A start opens the sockets to the group when the guest runs; a QEMU that never got so far may be silent for good. */
function hasRun({ run }: VmFiles): boolean {
  return ((fs.statSync(run, { throwIfNoEntry: false })?.mode ?? 0) & 0o050) !== 0;
}

function untold(name: VmName): ProvisionerError {
  return new ProvisionerError(
    `an earlier start of ${name} was interrupted, and its QEMU does not say whether the guest runs`,
    { hint: `try again; if it stays so, kill ${name} ends it` },
  );
}
