import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError, ProvisionerError } from '../errors.ts';
import type { RunOptions, RunResult } from '../host/exec.ts';
import { MiB, type Report } from '../types.ts';
import {
  CORE_LBA,
  FIRST_PARTITION_LBA,
  partitionScript,
  patchBootCode,
  patchCoreImage,
  SECTOR,
} from './boot-sectors.ts';
import { runTool } from './disk-tools.ts';

export interface BootDisk {
  /** The directory that becomes the root file system, /boot/grub/grub.cfg included. */
  rootTree: string;
  /** The raw image to make, sparse; replaced when it is there. */
  file: string;
  /** Whole disk; rounded up to a MiB. Default: what the tree takes, and a quarter more. */
  sizeBytes?: number;
  /** Label of the root file system. */
  label?: string;
  /** UUID of the root file system, for a tree that names it in fstab or grub.cfg. Default: a fresh one. */
  uuid?: string;
  /** A directory for intermediate files; the caller removes it. */
  workDir: string;
  /**
   * `copied` puts all of GRUB's modules into the tree, for a grub.cfg by update-grub.
   * `embedded` leaves the tree alone: enough for a grub.cfg that only loads a kernel.
   */
  modules?: 'copied' | 'embedded';
  /** GRUB's files for BIOS machines. Default /usr/lib/grub/i386-pc. */
  grubDirectory?: string;
  /** Puts a prefix before the commands that read or write the tree, such as one that enters a user namespace. */
  wrap?: (argv: readonly string[]) => readonly string[];
}

export interface BootDiskContext {
  report: Report;
  signal?: AbortSignal | undefined;
}

/** In the core image: what it takes to read /boot/grub/grub.cfg and to boot a kernel without reading a module. */
const EMBEDDED =
  'biosdisk part_msdos part_gpt ext2 linux normal search search_fs_uuid search_label echo test serial terminal configfile boot gzio minicmd sleep reboot halt';

/**
 * Makes a disk that boots by its own GRUB on a BIOS machine, without loop devices, mounting or root:
 * an MBR, GRUB's core image behind it, and one ext4 partition filled from a directory, last on the disk.
 *
 * MBR, not GPT: growing it needs no second header moved and no further tool in the guest, and grub-install
 * run in the guest finds its place.
 */
export async function makeBootDisk(
  disk: BootDisk,
  { report, signal }: BootDiskContext,
): Promise<{ uuid: string; sizeBytes: number }> {
  const uuid = disk.uuid ?? randomUUID();
  const grub = disk.grubDirectory ?? '/usr/lib/grub/i386-pc';
  const wrap = disk.wrap ?? ((argv) => argv);
  const bootCode = patchBootCode(readGrubFile(path.join(grub, 'boot.img')));
  const tool = (argv: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
    runTool(argv, { signal, timeoutMs: 600_000, ...options });

  report('installing the boot loader');
  const core = path.join(disk.workDir, 'core.img');
  await tool(
    `grub-mkimage -O i386-pc -d ${grub} -o ${core} -p (,msdos1)/boot/grub ${EMBEDDED}`.split(' '),
  );
  if ((disk.modules ?? 'copied') === 'copied') {
    const target = path.join(disk.rootTree, 'boot/grub/i386-pc');
    await tool(wrap(['mkdir', '-p', target]));
    const files = fs.readdirSync(grub).filter((name) => /\.(mod|lst)$/.test(name));
    const copy = ['cp', '--no-preserve=ownership', '-t', target];
    await tool(wrap([...copy, ...files.map((name) => path.join(grub, name))]));
  }

  report('making the root file system');
  const sizeBytes = roundUp(disk.sizeBytes ?? (await defaultSize(disk.rootTree, wrap, tool)));
  const offset = FIRST_PARTITION_LBA * SECTOR;
  if (sizeBytes < offset + 8 * MiB)
    throw new InputError(`a boot disk of ${sizeBytes / MiB} MiB is too small`);
  fs.rmSync(disk.file, { force: true });
  fs.writeFileSync(disk.file, '', { mode: 0o600 });
  fs.truncateSync(disk.file, sizeBytes);
  await tool(wrap(mke2fs(disk, uuid, offset, sizeBytes)));

  const partitioning = 'sfdisk --quiet --no-reread --no-tell-kernel --wipe never';
  await tool([...partitioning.split(' '), disk.file], {
    input: partitionScript(sizeBytes, Number.parseInt(uuid.slice(0, 8), 16)),
  });
  writeAt(disk.file, bootCode, 0);
  writeAt(disk.file, patchCoreImage(fs.readFileSync(core)), CORE_LBA * SECTOR);
  return { uuid, sizeBytes };
}

const EXTENDED = 'nodiscard,assume_storage_prezeroed=1,root_owner=0:0';

/**
 * The file is all holes, so nothing needs zeroing: neither now, nor in the guest's first boot, where it would
 * compete with the guest's own start. The features switched off are unknown to older GRUBs.
 */
function mke2fs(disk: BootDisk, uuid: string, offset: number, sizeBytes: number): string[] {
  return [
    ...'mke2fs -q -F -t ext4 -b 4096 -m 1 -O ^metadata_csum_seed,^orphan_file'.split(' '),
    ...['-E', `offset=${offset},hash_seed=${uuid},${EXTENDED}`, '-U', uuid],
    ...(disk.label === undefined ? [] : ['-L', disk.label]),
    ...['-d', disk.rootTree, disk.file, `${(sizeBytes - offset) / 1024}k`],
  ];
}

async function defaultSize(
  tree: string,
  wrap: NonNullable<BootDisk['wrap']>,
  tool: (argv: readonly string[]) => Promise<RunResult>,
): Promise<number> {
  const { stdout } = await tool(wrap(['du', '-s', '--block-size=1', tree]));
  return Number.parseInt(stdout, 10) * 1.25 + 32 * MiB;
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / MiB) * MiB;
}

function readGrubFile(file: string): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (cause) {
    throw new ProvisionerError(`${file} is missing`, { hint: 'install grub-pc-bin', cause });
  }
}

function writeAt(file: string, bytes: Uint8Array, position: number): void {
  const fd = fs.openSync(file, 'r+');
  try {
    fs.writeSync(fd, bytes, 0, bytes.length, position);
  } finally {
    fs.closeSync(fd);
  }
}
