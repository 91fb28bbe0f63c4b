import * as fs from 'node:fs';
import * as path from 'node:path';
import type { VmFiles } from '../host/paths.ts';
import { convertToQcow2, createEmpty, imageInfo } from '../image/qcow2.ts';
import { findTemplate } from '../image/template-store.ts';
import type { VmConfig } from '../store/vm-config.ts';
import { assertFile } from './assert-file.ts';
import type { RootContext } from './host.ts';
import type { QemuUser } from './qemu-user.ts';
import type { ExtraDisk } from './root-side.ts';

/** Makes the further disks of a new VM. @returns their sizes in bytes. */
export async function makeExtraDisks(
  { paths, signal }: RootContext,
  files: VmFiles,
  disks: readonly ExtraDisk[],
  user: QemuUser | undefined,
): Promise<number[]> {
  const sizes: number[] = [];
  for (const [index, disk] of disks.entries()) {
    const file = extraDiskFile(files, index);
    if ('bytes' in disk) {
      await createEmpty({ file, sizeBytes: disk.bytes, signal });
    } else {
      const from = findTemplate(paths, disk.template).image;
      await convertToQcow2({ from, fromFormat: 'qcow2', to: file, signal });
    }
    if (user !== undefined) fs.chownSync(file, user.uid, user.gid);
    sizes.push((await imageInfo(file, { format: 'qcow2', signal })).virtualSize);
  }
  return sizes;
}

/** Files of all further disks. @throws ProvisionerError naming one that is missing. */
export function extraDiskFiles(files: VmFiles, config: VmConfig): string[] {
  const all = extraDiskPaths(files, config);
  for (const file of all) assertFile(config.name, 'an extra disk', file);
  return all;
}

/** Where they should be. */
export function extraDiskPaths(files: VmFiles, { extra_disks = [] }: VmConfig): string[] {
  return extra_disks.map((_, index) => extraDiskFile(files, index));
}

function extraDiskFile(files: VmFiles, index: number): string {
  return path.join(files.directory, `extra${index + 1}.qcow2`);
}
