import * as fs from 'node:fs';
import { BusyError, messageOf } from '../../errors.ts';
import { type Lock, lockFile } from '../../host/lock.ts';
import type { VmFiles } from '../../host/paths.ts';
import { removeTree } from '../../host/remove-tree.ts';
import { BLOCK_NODES_BYTES } from '../../qmp/client.ts';
import { withQmp } from '../../qmp/with-qmp.ts';
import { diskSizes, readVmConfig, type VmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { disksOf, type VmDisk } from '../disk-chains.ts';
import { processesOf } from '../end-qemu.ts';
import type { RootContext } from '../host.ts';
import type { SettleBackup } from '../root-side.ts';
import { isSettled, restingBitmaps, settlementOf, settleResting } from './bitmaps.ts';
import { endImageServer } from './end-image-server.ts';
import { fleecesOf } from './fleece.ts';
import { settleLiveBitmaps } from './live-bitmaps.ts';
import { removeJobs } from './live-jobs.ts';
import { readNote, removePart } from './note.ts';
import { type Backups, readBackups } from './record.ts';
import { assertRoomForBitmaps } from './room.ts';

/**
 * Ends what a backup has left that was killed.
 * @throws BusyError when it goes on, as does one whose caller died a moment ago.
 */
export async function settleBackup(context: RootContext, { name }: SettleBackup): Promise<void> {
  if (!fs.existsSync(context.paths.vm(name).fleece)) return;
  const lock = await lockBackup(context, name);
  try {
    await settle(context, name);
  } finally {
    lock.remove();
  }
}

/** At most one copies a VM's disks. @throws BusyError */
export function lockBackup({ paths, signal }: RootContext, name: VmName): Promise<Lock> {
  return lockFile(paths.backupLock(name), {
    what: `VM ${name}`,
    holder: `backup of ${name}`,
    waitMs: 0,
    signal,
  });
}

/**
 * Ends a backup's hold on a VM, whether it was finished or not: nothing of it is left beside the disks, and
 * the chain stands where backups.json says. The VM's lock and the backup's are held.
 */
export async function settle(context: RootContext, name: VmName): Promise<void> {
  const files = context.paths.vm(name);
  if (!fs.existsSync(files.fleece)) return;
  const config = readVmConfig(name, files);
  const disks = disksOf(context, files, config);
  const backups = readBackups(files);
  await endImageServer(context, name);
  // First what takes room.
  dropPart(context, name);
  if (processesOf(files).length > 0) await settleRunning(files, disks, backups);
  else {
    removeImages(files, disks);
    await settleOff(files, config, disks, backups);
  }
  await removeTree(files.fleece);
}

/** Of a QEMU that is gone: what the copies take may be what fills the disk. */
function removeImages(files: VmFiles, disks: readonly VmDisk[]): void {
  for (const { chain } of fleecesOf(files, disks)) fs.rmSync(chain.file, { force: true });
}

/** Where the file was to be may be gone, or closed by now: that holds up no VM. */
function dropPart({ paths, report }: RootContext, name: VmName): void {
  try {
    removePart(paths.vm(name));
  } catch (error) {
    report(`VM ${name}: a part of a backup is left: ${messageOf(error)}`);
  }
}

/** A verb that only cleans up has no time for a QEMU that hangs. */
const CONNECT_MS = 5000;

/** @throws ProvisionerError when there is no room for it: the disks stay as they are, for who comes next. */
async function settleOff(
  files: VmFiles,
  config: VmConfig,
  disks: readonly VmDisk[],
  backups: Backups | undefined,
): Promise<void> {
  const bitmaps = await restingBitmaps(disks);
  const settlements = bitmaps.map((found) => settlementOf(found, backups));
  if (!settlements.every(isSettled)) assertRoomForBitmaps(files, diskSizes(config));
  for (const [index, disk] of disks.entries()) {
    const settlement = settlements[index];
    if (settlement !== undefined) await settleResting(disk, settlement);
  }
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
      removeImages(files, disks);
      if (readNote(files)?.running !== true) return;
      // A guest that was halted for want of room has some now; what it was about to write is done again.
      if ((await qmp.execute('query-status')).status === 'io-error') await qmp.execute('cont');
    },
    { deadlineMs: CONNECT_MS, maxLineBytes: BLOCK_NODES_BYTES },
  );
}

/** Before the VM goes for good, and with it what tells of the file of a backup that was killed. */
export async function forgetBackup(context: RootContext, name: VmName): Promise<void> {
  const { paths } = context;
  await endImageServer(context, name);
  const traces = [paths.vm(name).fleece, paths.backupLock(name)];
  if (!traces.some((file) => fs.existsSync(file))) return;
  try {
    const lock = await lockBackup(context, name);
    dropPart(context, name);
    lock.remove();
  } catch (error) {
    // One that goes on takes its part away itself.
    if (!(error instanceof BusyError)) throw error;
  }
}
