import * as fs from 'node:fs';
import { BusyError, ProvisionerError } from '../errors.ts';
import { letRun } from '../host/exec.ts';
import { lockFile } from '../host/lock.ts';
import { isLockHeld } from '../host/lock-held.ts';
import { checkImage, readImage } from '../image/template-check.ts';
import { findTemplate } from '../image/template-store.ts';
import { readVmConfig } from '../store/vm-config.ts';
import { templateOf } from '../vm/assert-disks.ts';
import type { RootContext } from '../vm/host.ts';
import type { StartVm } from '../vm/root-side.ts';

/**
 * Before a start in haste: reading an image through takes longer than anybody may be held up at the door. A process
 * of its own does it, and whoever asked asks again. @throws BusyError meanwhile.
 */
export async function assertRead(context: RootContext, { name }: StartVm): Promise<void> {
  const { paths, inHaste } = context;
  if (inHaste !== true) return;
  const { id, manifest } = templateOf(paths, name, readVmConfig(name, paths.vm(name)));
  if (checkImage(paths.template(id), manifest).verdict !== 'unread') return;
  if (!(await isLockHeld(paths.templateLock(id))))
    void letRun(process.execPath, [fs.realpathSync(process.argv[1] ?? ''), 'root', '--verify', id]);
  throw new BusyError(
    `VM ${name}: its template ${id} is another file than before and is being read through`,
    { hint: 'start it again in a moment' },
  );
}

/** The reading itself. One at a time: another one that was begun meanwhile has nothing to do. */
export async function workVerify(context: RootContext, id: string): Promise<void> {
  const { paths, signal } = context;
  const { manifest } = findTemplate(paths, id);
  const lock = await lockFile(paths.templateLock(id), {
    what: `template ${id}`,
    holder: 'the root side',
    waitMs: 0,
  });
  try {
    const files = paths.template(id);
    if (checkImage(files, manifest).verdict !== 'unread') return;
    const { verdict } = await readImage(files, manifest, signal);
    if (verdict === 'changed') throw new ProvisionerError(`template ${id} has changed`);
  } finally {
    lock.remove();
  }
}
