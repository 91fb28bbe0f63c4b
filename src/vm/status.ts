import { findQemuProcesses } from '../store/incarnation.ts';
import type { VmRecord } from '../store/record.ts';
import type { VmName } from '../types.ts';
import type { ReadHost } from './host.ts';
import { readJournal } from './journal.ts';
import { observe } from './observe.ts';

/** The contract's words (contract §2.2): suspended is stopped or paused. */
export type VmStatus = 'active' | 'suspended' | 'destroyed' | 'unknown';

export async function vmStatus(host: ReadHost, name: VmName): Promise<VmStatus> {
  const record = await host.store.get(name);
  if (record === undefined) return 'unknown';
  return await statusOf(host, name, record);
}

export async function statusOf(host: ReadHost, name: VmName, record: VmRecord): Promise<VmStatus> {
  if (record.status === 'destroyed') return 'destroyed';
  const { state } = await observe(host, name);
  if (state === 'running') return 'active';
  if (state === 'unknown') return 'unknown';
  if (state === 'stopped' && orphaned(host, name)) return 'unknown';
  return 'suspended';
}

/** A verb was killed half-way, and a QEMU that no file tells of is still there. */
function orphaned(host: ReadHost, name: VmName): boolean {
  return readJournal(host, name) !== undefined && findQemuProcesses(host.paths.vm(name)).length > 0;
}
