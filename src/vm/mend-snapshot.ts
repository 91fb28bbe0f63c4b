import { messageOf, ProvisionerError } from '../errors.ts';
import { reclaimLeaks } from '../image/leaks.ts';
import { CHANGE_MS, changeSnapshots, listSnapshots } from '../image/snapshots.ts';
import { withQmp } from '../qmp/with-qmp.ts';
import { readVmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import { disksOf, type VmDisk } from './disk-chains.ts';
import { processesOf } from './end-qemu.ts';
import { thawGuest } from './freeze.ts';
import type { Host } from './host.ts';
import type { JournalEntry } from './journal.ts';

export type SnapshotEntry = Extract<JournalEntry, { verb: 'snapshot' }>;

/** All disks have a snapshot or none has; a guest that ran runs, and its file systems go on. */
export async function mendSnapshot(
  host: Host,
  name: VmName,
  { action, label, running }: SnapshotEntry,
  deadlineMs: number,
): Promise<void> {
  const files = host.paths.vm(name);
  const disks = disksOf(host, files, readVmConfig(name, files));
  const having: VmDisk[] = [];
  for (const disk of disks) {
    const list = await listSnapshots(disk.chain);
    if (list.some((snapshot) => snapshot.name === label)) having.push(disk);
  }
  if (action === 'restore') await onDisks(host, name, disks, 'restore', label, deadlineMs);
  else if (action === 'delete' || having.length < disks.length)
    await onDisks(host, name, having, 'delete', label, deadlineMs);
  if (processesOf(files).length === 0) return await reclaim(host, name, disks);
  if (!running) return;
  await withQmp(files.qmp, async (qmp) => {
    if ((await qmp.execute('query-status')).status === 'paused') await qmp.execute('cont');
  });
  await thawGuest(host, name);
}

/** What a power cut has leaked of them only wastes room: that it stays hinders nobody. */
async function reclaim(host: Host, name: VmName, disks: readonly VmDisk[]): Promise<void> {
  for (const { node, chain } of disks) {
    try {
      const clusters = await reclaimLeaks(chain, host.signal);
      if (clusters > 0)
        host.report(`VM ${name}: ${clusters} leaked clusters of ${node} are free again`);
    } catch (error) {
      host.signal.throwIfAborted();
      host.report(`VM ${name}: leaked clusters of ${node} are not looked for: ${messageOf(error)}`);
    }
  }
}

/** By QEMU where it has the disks open. @param deadlineMs for QEMU, which does nothing else meanwhile. */
export async function onDisks(
  host: Host,
  name: VmName,
  disks: readonly VmDisk[],
  action: 'restore' | 'delete',
  label: string,
  deadlineMs = CHANGE_MS,
): Promise<void> {
  const files = host.paths.vm(name);
  if (processesOf(files).length === 0) {
    for (const { chain } of disks) await changeSnapshots(chain, action, label);
    return;
  }
  if (action === 'restore') throw new ProvisionerError('it runs: a restore goes on when it is off');
  if (disks.length === 0) return;
  // Who mends after an interrupt has a deadline to go by.
  const { signal } = host;
  const limits = { deadlineMs, ...(signal.aborted ? {} : { signal }) };
  await withQmp(files.qmp, async (qmp) => {
    for (const { node: device } of disks)
      await qmp.execute('blockdev-snapshot-delete-internal-sync', { device, name: label }, limits);
  });
}
