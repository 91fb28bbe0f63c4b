import * as fs from 'node:fs';
import type { VmFiles } from '../host/paths.ts';
import type { DiskChain } from '../image/snapshots.ts';
import type { VmConfig } from '../store/vm-config.ts';
import { assertFile } from './assert-file.ts';
import { extraDiskFiles } from './extra-disks.ts';
import type { RootContext } from './host.ts';
import { becomeUser } from './qemu-user.ts';

/** A disk by the names of QEMU's nodes, and its layers as files. */
export interface VmDisk {
  /** What the device sees. */
  node: string;
  /** Below the VM's limits: what is read of it costs the guest nothing of them. */
  image: string;
  chain: DiskChain;
}

/** Every disk the guest writes to, the system's first. @throws ProvisionerError naming one that is missing. */
export function disksOf(
  host: Pick<RootContext, 'paths'>,
  files: VmFiles,
  config: VmConfig,
): [VmDisk, ...VmDisk[]] {
  assertFile(config.name, 'its disk', files.disk);
  const become = becomeOwner(files.disk);
  const backing = host.paths.template(config.template).image;
  const extras = extraDiskFiles(files, config).map((file, index) => ({
    node: `extra${index + 1}`,
    image: `extra${index + 1}-image`,
    chain: { file, become },
  }));
  const chain = { file: files.disk, backing, become };
  return [{ node: 'disk', image: 'disk-image', chain }, ...extras];
}

/** Whoever QEMU runs as owns its disk; root looks into no image that a guest may have broken. */
function becomeOwner(disk: string): string[] {
  if (process.getuid?.() !== 0) return becomeUser(undefined);
  const { uid, gid } = fs.statSync(disk);
  return becomeUser(uid === 0 ? undefined : { uid, gid, groups: [], accessGid: gid });
}
