import { findQemuProcesses } from '../store/incarnation.ts';
import type { VmRecord } from '../store/record.ts';
import type { VmName } from '../types.ts';
import type { ReadHost } from './host.ts';
import { readJournal } from './journal.ts';
import { observe, reasonOf } from './observe.ts';

/** The contract's words (contract §2.2): suspended is stopped or paused. */
export type VmStatus = 'active' | 'suspended' | 'destroyed' | 'unknown';

export interface TellingStatus {
  status: VmStatus;
  /** Why it is unknown. */
  reason?: string | undefined;
}

export async function vmStatus(host: ReadHost, name: VmName): Promise<VmStatus> {
  const record = await host.store.get(name);
  if (record === undefined) return 'unknown';
  return (await statusOf(host, name, record)).status;
}

export async function statusOf(
  host: ReadHost,
  name: VmName,
  record: VmRecord,
): Promise<TellingStatus> {
  if (record.status === 'destroyed') return { status: 'destroyed' };
  const seen = await observe(host, name);
  if (seen.state === 'running') return { status: 'active' };
  if (seen.state === 'unknown') return { status: 'unknown', reason: reasonOf(seen) };
  if (seen.state === 'stopped' && orphaned(host, name))
    return { status: 'unknown', reason: 'a verb died half-way, and a QEMU of it is still there' };
  return { status: 'suspended' };
}

/** A verb was killed half-way, and a QEMU that no file tells of is still there. */
function orphaned(host: ReadHost, name: VmName): boolean {
  return readJournal(host, name) !== undefined && findQemuProcesses(host.paths.vm(name)).length > 0;
}
