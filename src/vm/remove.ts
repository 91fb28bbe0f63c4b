import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { errnoOf, ProvisionerError } from '../errors.ts';
import { ensureDirectory } from '../host/files.ts';
import { removeWithoutLinks } from '../host/open-beneath.ts';
import type { VmFiles } from '../host/paths.ts';
import { removeSoon, removeTree } from '../host/remove-tree.ts';
import { readValidated } from '../host/validate.ts';
import { removeShape } from '../net/shape/shape.ts';
import { removeTap, tapName } from '../net/tap.ts';
import { forgetIncarnation } from '../store/incarnation.ts';
import { noteEnd } from '../store/last-run.ts';
import { VmConfig } from '../store/vm-config.ts';
import { forgetBackup } from './backup/settle.ts';
import { endQemu, processesOf } from './end-qemu.ts';
import type { RootContext } from './host.ts';
import { unprotect } from './protection.ts';
import type { Ended, EndVm, RemoveVm } from './root-side.ts';
import { chooseRunner } from './runner.ts';

/** Ends QEMU as asked; when it is gone, takes away what the run left on the host. */
export async function endRun(context: RootContext, request: EndVm): Promise<Ended> {
  const files = context.paths.vm(request.name);
  const ended =
    request.how === 'tidy'
      ? { ran: false, gone: processesOf(files).length === 0 }
      : await endQemu(files, request.how, waitOf(context, request.wait_ms), () =>
          noteEnd(files, request.by, true),
        );
  // Whoever looks at a run has seen the mark.
  removeWithoutLinks(context.paths.crashMark(request.name));
  if (!ended.gone) return ended;
  noteEnd(files, request.by, request.how === 'tidy' && ASKS_GUEST.has(request.by));
  await removeRun(context, request);
  return ended;
}

/** A guest that powers off because it was asked to has done so before anything is left to be tidied. */
const ASKS_GUEST: ReadonlySet<EndVm['by']> = new Set(['stop', 'stop-all', 'suspend']);

/** Behind a door nobody waits for long: who wants more asks again. */
function waitOf({ inHaste }: RootContext, wanted: number): number {
  return inHaste === true ? Math.min(wanted, HASTE_MS) : wanted;
}

/**
 * Removes a VM's run and directory. The directory is renamed out of the way first: a large disk takes its
 * time, and a kill in the middle must not leave half a VM.
 */
export async function removeFiles(context: RootContext, request: RemoveVm): Promise<void> {
  const { paths } = context;
  const files = paths.vm(request.name);
  const [alive] = processesOf(files);
  if (alive !== undefined) {
    throw new ProvisionerError(
      `VM ${request.name}: QEMU still runs (pid ${alive.pid}), nothing is removed`,
      { hint: `run kill ${request.name} first` },
    );
  }
  await forgetBackup(context, request.name);
  await removeRun(context, request);
  if (fs.existsSync(files.directory)) await setAside(files.directory, paths.trash);
  // The sampler may have said once more that the VM is off. Now that it is gone, nothing is said any more.
  removeWithoutLinks(paths.published(request.name));
  removeWithoutLinks(paths.history(request.name));
  for (const file of Object.values(paths.events(request.name))) removeWithoutLinks(file);
  // What an earlier removal left when it was interrupted goes with it.
  const trash = fs.existsSync(paths.trash) ? fs.readdirSync(paths.trash) : [];
  const directories = trash.map((name) => path.join(paths.trash, name));
  if (directories.length === 0) return;
  await (context.inHaste === true ? removeSoon(directories, HASTE_MS) : removeTree(...directories));
}

/** By one rename. @returns where it lies, to be removed; undefined when it had to be removed at once. */
export async function setAside(directory: string, trash: string): Promise<string | undefined> {
  const name = `${path.basename(directory)}.${randomBytes(4).toString('hex')}`;
  try {
    ensureDirectory(trash, 0o700);
    fs.renameSync(directory, path.join(trash, name));
    return path.join(trash, name);
  } catch (error) {
    // On a full disk not even a directory entry can be had; removing makes room.
    if (errnoOf(error) !== 'ENOSPC' && errnoOf(error) !== 'EDQUOT') throw error;
    await removeTree(directory);
    return undefined;
  }
}

/** A small disk is gone by then; a large one goes on being removed. */
const HASTE_MS = 300;

async function removeRun(context: RootContext, { name, vmid }: RemoveVm): Promise<void> {
  const files = context.paths.vm(name);
  const config = configOf(files);
  const number = config?.vmid ?? vmid;
  if (process.getuid?.() === 0) {
    if (number !== undefined) {
      await removeTap(tapName(number));
      await removeShape(tapName(number));
    }
    if (config !== undefined) await unprotect(config);
  }
  await chooseRunner(context.settings.runner).clear({ name, ...files });
  await removeTree(files.run);
  for (const fifo of [files.consoleFifo, files.qemuFifo]) fs.rmSync(fifo, { force: true });
  forgetIncarnation(files);
  removeWithoutLinks(context.paths.published(name));
}

/** A damaged vm.json must not keep anybody from destroying the VM; the record tells the number of its tap. */
function configOf(files: VmFiles): VmConfig | undefined {
  try {
    return readValidated(files.config, VmConfig);
  } catch {
    return undefined;
  }
}
