import * as fs from 'node:fs';
import * as path from 'node:path';
import { messageOf } from '../errors.ts';
import type { VmFiles } from '../host/paths.ts';
import { CHANGE_MS } from '../image/snapshots.ts';
import type { VmName } from '../types.ts';
import type { Host } from './host.ts';
import { Journal, type JournalEntry } from './journal.ts';
import { limitAsRecorded } from './limits/as-recorded.ts';
import { mendSnapshot } from './mend-snapshot.ts';

/** Verbs that change a VM which stays: half-way, it is brought to one side or the other. */
export type MendedEntry = Extract<JournalEntry, { verb: 'throttle' | 'snapshot' | 'export' }>;

export function isMended(entry: JournalEntry): entry is MendedEntry {
  return entry.verb === 'throttle' || entry.verb === 'snapshot' || entry.verb === 'export';
}

/** Of a result: nothing is half-done; something is; something is that only the next verb can mend. */
export type Stand = 'whole' | 'torn' | 'left';

/** Works under a journal. What is torn half-way is mended at once, or by the next verb if that fails too. */
export async function mended<T>(
  host: Host,
  name: VmName,
  entry: MendedEntry,
  work: () => Promise<T>,
  standOf: (result: T) => Stand = () => 'whole',
): Promise<T> {
  const journal = new Journal(host, name, entry);
  // Before the work there is nothing of it to mend; a journal that is half-written is.
  journal.assertFree();
  try {
    journal.begin();
    const result = await work();
    const stand = standOf(result);
    if (stand !== 'whole') host.signal.throwIfAborted();
    if (stand === 'whole' || (stand === 'torn' && (await mend(host, name, entry)))) journal.end();
    return result;
  } catch (error) {
    const { aborted } = host.signal;
    if (await mend(host, name, entry, aborted ? INTERRUPTED_MS : CHANGE_MS)) journal.end();
    // Whatever failed in consequence.
    host.signal.throwIfAborted();
    throw error;
  }
}

/** For QEMU to undo what somebody has interrupted, who waits. */
const INTERRUPTED_MS = 10_000;

/**
 * @param deadlineMs for QEMU to change a snapshot.
 * @returns whether nothing is half-done any more.
 */
export async function mend(
  host: Host,
  name: VmName,
  entry: MendedEntry,
  deadlineMs = CHANGE_MS,
): Promise<boolean> {
  try {
    if (entry.verb === 'throttle') await limitAsRecorded(host, name);
    else if (entry.verb === 'snapshot') await mendSnapshot(host, name, entry, deadlineMs);
    else mendExport(host, name, entry);
    return true;
  } catch (error) {
    host.report(`VM ${name}: its ${entry.verb} is left half-done: ${messageOf(error)}`);
    return false;
  }
}

function mendExport(
  host: Host,
  name: VmName,
  { part }: Extract<JournalEntry, { verb: 'export' }>,
): void {
  fs.rmSync(exportWork(host.paths.vm(name)), { force: true });
  fs.rmSync(part, { force: true });
}

/** Where an image grows before it is copied to where it was asked for. */
export function exportWork(files: VmFiles): string {
  return path.join(files.directory, 'export.qcow2');
}
