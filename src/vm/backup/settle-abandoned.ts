import { BusyError, messageOf } from '../../errors.ts';
import type { VmName } from '../../types.ts';
import { processesOf } from '../end-qemu.ts';
import { thawGuest } from '../freeze.ts';
import type { Host } from '../host.ts';
import { isAbandoned, isUnderWay } from './abandoned.ts';

/** Before another verb: ends what a backup has left that was killed; one that is under way goes on. */
export async function settleAbandoned(host: Host, name: VmName): Promise<void> {
  if (!(await isAbandoned(host, name))) return;
  host.report(`an earlier backup of ${name} was interrupted: cleaning up`);
  try {
    // A guest that was frozen first of all.
    if (processesOf(host.paths.vm(name)).length > 0) await thawGuest(host, name);
    await host.root.settleBackup({ name });
  } catch (error) {
    // The next verb tries again; a VM that is damaged must still be stopped or destroyed.
    host.report(`VM ${name}: what an earlier backup left is still there: ${messageOf(error)}`);
  }
}

/** @throws BusyError for verbs that change the disks in ways a backup cannot follow. */
export async function assertNoBackup(host: Host, name: VmName): Promise<void> {
  if (!(await isUnderWay(host, name))) return;
  throw new BusyError(`VM ${name} is being backed up`, {
    hint: 'wait until that has finished and try again',
  });
}
