import * as fs from 'node:fs';
import { BusyError, messageOf } from '../../errors.ts';
import type { VmFiles } from '../../host/paths.ts';
import { removeTree } from '../../host/remove-tree.ts';
import { withQmp } from '../../qmp/with-qmp.ts';
import { readVmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { disksOf, type VmDisk } from '../disk-chains.ts';
import { processesOf } from '../end-qemu.ts';
import { thawGuest } from '../freeze.ts';
import type { Host } from '../host.ts';
import { isAbandoned, isUnderWay } from './abandoned.ts';
import { restingBitmaps, settlementOf, settleResting } from './bitmaps.ts';
import { endImageServer } from './end-image-server.ts';
import { fleecesOf } from './fleece.ts';
import { settleLiveBitmaps } from './live-bitmaps.ts';
import { removeJobs } from './live-jobs.ts';
import { readNote, removePart } from './note.ts';
import { type Backups, readBackups } from './record.ts';

/**
 * Ends a backup's hold on a VM, whether it was finished or not: nothing of it is left beside the disks, and
 * the chain stands where backups.json says. The VM's lock is held.
 */
export async function settle(host: Host, name: VmName): Promise<void> {
  const files = host.paths.vm(name);
  if (!fs.existsSync(files.fleece)) return;
  const disks = disksOf(host, files, readVmConfig(name, files));
  const backups = readBackups(files);
  await endImageServer(host, name);
  if (processesOf(files).length > 0) await settleRunning(files, disks, backups);
  else await settleOff(disks, backups);
  removePart(files);
  await removeTree(files.fleece);
}

/** A verb that only cleans up has no time for a QEMU that hangs. */
const CONNECT_MS = 5000;

async function settleOff(disks: readonly VmDisk[], backups: Backups | undefined): Promise<void> {
  const bitmaps = await restingBitmaps(disks);
  for (const [index, disk] of disks.entries())
    await settleResting(disk, settlementOf(bitmaps[index] ?? [], backups));
}

async function settleRunning(
  files: VmFiles,
  disks: readonly VmDisk[],
  backups: Backups | undefined,
): Promise<void> {
  await withQmp(
    files.qmp,
    async (qmp) => {
      const fleeces = fleecesOf(files, disks);
      await removeJobs(qmp, fleeces);
      await settleLiveBitmaps(qmp, disks, backups);
      for (const { chain } of fleeces) fs.rmSync(chain.file, { force: true });
      if (readNote(files)?.running !== true) return;
      // A guest that was halted for want of room has some now; what it was about to write is done again.
      if ((await qmp.execute('query-status')).status === 'io-error') await qmp.execute('cont');
    },
    { deadlineMs: CONNECT_MS },
  );
}

/** Before another verb: ends what a backup has left that was killed; one that is under way goes on. */
export async function settleAbandoned(host: Host, name: VmName): Promise<void> {
  const files = host.paths.vm(name);
  if (!isAbandoned(host, name)) return;
  host.report(`an earlier backup of ${name} was interrupted: cleaning up`);
  try {
    // A guest that was frozen first of all.
    if (processesOf(files).length > 0) await thawGuest(host, name);
    await settle(host, name);
  } catch (error) {
    // The next verb tries again; a VM that is damaged must still be stopped or destroyed.
    host.report(`VM ${name}: what an earlier backup left is still there: ${messageOf(error)}`);
  }
}

/** Before the VM goes for good, and with it what tells of the file. */
export function removeAbandonedPart(host: Host, name: VmName): void {
  if (!isAbandoned(host, name)) return;
  try {
    removePart(host.paths.vm(name));
  } catch (error) {
    host.report(`VM ${name}: a part of a backup may be left: ${messageOf(error)}`);
  }
}

/** @throws BusyError for verbs that change the disks in ways a backup cannot follow. */
export function assertNoBackup(host: Host, name: VmName): void {
  if (!isUnderWay(host, name)) return;
  throw new BusyError(`VM ${name} is being backed up`, {
    hint: 'wait until that has finished and try again',
  });
}
