import * as fs from 'node:fs';
import { errnoOf } from '../errors.ts';
import type { VmName } from '../types.ts';
import { settleAbandoned } from './backup/settle-abandoned.ts';
import { processesOf } from './end-qemu.ts';
import { endVm } from './end-vm.ts';
import type { Host } from './host.ts';
import { Journal } from './journal.ts';
import { withVmLock } from './lock.ts';
import { forgetAttempts } from './restart/attempts.ts';

/** Milliseconds QEMU gets to flush and end; the guest is not asked. */
const QUIT_GRACE_MS = 2000;

/**
 * @returns false when there was nothing of that name.
 * @throws ElsewhereError when its QEMU may run where it cannot be seen.
 */
export async function destroyVm(host: Host, name: VmName): Promise<boolean> {
  if (!(await exists(host, name))) return false;
  return await withVmLock(host, name, 'destroy', async () => {
    if (!(await exists(host, name))) return false;
    // Where its QEMU cannot be seen nothing is begun: whoever came next would bring that to its end.
    processesOf(host.paths.vm(name));
    const journal = new Journal(host, name, { verb: 'destroy' });
    try {
      journal.begin();
    } catch (error) {
      // On a full disk destroying makes room. Without a journal it can still be repeated: the record goes last.
      if (errnoOf(error) !== 'ENOSPC' && errnoOf(error) !== 'EDQUOT') throw error;
    }
    await finishDestroy(host, name);
    journal.end();
    return true;
  });
}

/**
 * Removes all there is of a VM, in the order that keeps every moment repairable: the process first, the
 * record last. Nothing is removed while a QEMU of this VM may live.
 */
export async function finishDestroy(host: Host, name: VmName): Promise<void> {
  await endVm(host, name, 'destroy', QUIT_GRACE_MS);
  // What tells of the part of a backup goes with the VM.
  await settleAbandoned(host, name);
  const vmid = (await host.store.get(name))?.vmid;
  await host.root.remove({ name, ...(vmid === undefined ? {} : { vmid }) });
  fs.rmSync(host.paths.metricsSample(name), { force: true });
  forgetAttempts(host.paths, name);
  await host.store.release(name);
  await host.store.remove(name);
}

async function exists(host: Host, name: VmName): Promise<boolean> {
  const files = host.paths.vm(name);
  const status = (await host.store.get(name))?.status;
  return (
    fs.existsSync(files.directory) ||
    fs.existsSync(files.run) ||
    fs.existsSync(host.paths.journal(name)) ||
    (status !== undefined && status !== 'destroyed')
  );
}
