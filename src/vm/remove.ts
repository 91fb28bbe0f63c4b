import * as fs from 'node:fs';
import { removeTree } from '../host/remove-tree.ts';
import { readValidated } from '../host/validate.ts';
import { removeTap, tapName } from '../net/tap.ts';
import { forgetIncarnation } from '../store/incarnation.ts';
import { VmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import type { Host } from './host.ts';
import { chooseRunner } from './runner.ts';

/** Takes away what a run of a VM leaves on the host. QEMU has to be proved gone before. */
export async function removeRun(host: Host, name: VmName): Promise<void> {
  const files = host.paths.vm(name);
  const vmid = await vmidOf(host, name);
  if (vmid !== undefined && process.getuid?.() === 0) await removeTap(tapName(vmid));
  await chooseRunner(host.settings.runner).clear(name);
  await removeTree(files.run);
  fs.rmSync(files.consoleFifo, { force: true });
  forgetIncarnation(files);
  fs.rmSync(host.paths.published(name), { force: true });
}

/** The VM's number names its tap. A damaged vm.json must not keep anybody from destroying the VM. */
async function vmidOf(host: Host, name: VmName): Promise<number | undefined> {
  const record = await host.store.get(name);
  if (record !== undefined) return record.vmid;
  try {
    return readValidated(host.paths.vm(name).config, VmConfig)?.vmid;
  } catch {
    return undefined;
  }
}
