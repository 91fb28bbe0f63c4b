import * as fs from 'node:fs';
import { BusyError, messageOf } from '../../errors.ts';
import { isLockHeld } from '../../host/lock-held.ts';
import { removeTree } from '../../host/remove-tree.ts';
import { readVmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { disksOf } from '../disk-chains.ts';
import { processesOf } from '../end-qemu.ts';
import type { Host } from '../host.ts';
import { restingBitmaps, settlementOf, settleResting } from './bitmaps.ts';
import { readBackups } from './record.ts';

/**
 * Ends a backup's hold on a VM, whether it was finished or not: nothing of it is left beside the disks, and
 * the chain stands where backups.json says. The VM's lock is held.
 */
export async function settle(host: Host, name: VmName): Promise<void> {
  const files = host.paths.vm(name);
  if (!fs.existsSync(files.fleece)) return;
  const disks = disksOf(host, files, readVmConfig(name, files));
  const backups = readBackups(files);
  const bitmaps = await restingBitmaps(disks);
  for (const [index, disk] of disks.entries())
    await settleResting(disk, settlementOf(bitmaps[index] ?? [], backups));
  await removeTree(files.fleece);
}

/** Before another verb: ends what a backup has left that was killed; one that is under way goes on. */
export async function settleAbandoned(host: Host, name: VmName): Promise<void> {
  const files = host.paths.vm(name);
  if (host.role.kind !== 'own' || !fs.existsSync(files.fleece) || isUnderWay(host, name)) return;
  if (processesOf(files).length > 0) return;
  host.report(`an earlier backup of ${name} was interrupted: cleaning up`);
  try {
    await settle(host, name);
  } catch (error) {
    // The next verb tries again; a VM that is damaged must still be stopped or destroyed.
    host.report(`VM ${name}: what an earlier backup left is still there: ${messageOf(error)}`);
  }
}

/** @throws BusyError for verbs that change the disks in ways a backup cannot follow. */
export function assertNoBackup(host: Host, name: VmName): void {
  if (!isUnderWay(host, name)) return;
  throw new BusyError(`VM ${name} is being backed up`, {
    hint: 'wait until that has finished and try again',
  });
}

function isUnderWay(host: Host, name: VmName): boolean {
  return isLockHeld(host.paths.backupLock(name));
}
