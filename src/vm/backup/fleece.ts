import * as fs from 'node:fs';
import * as path from 'node:path';
import * as z from 'zod/mini';
import { messageOf } from '../../errors.ts';
import { run } from '../../host/exec.ts';
import type { VmFiles } from '../../host/paths.ts';
import { type DiskChain, imageName, qemuImg } from '../../image/snapshots.ts';
import { MiB } from '../../types.ts';
import type { VmDisk } from '../disk-chains.ts';
import type { RootContext } from '../host.ts';
import { assertRoom } from '../storage.ts';
import { type Bitmap, GRANULARITY } from './bitmaps.ts';

/** An image beside a disk that QEMU fills with what the disk held at one moment, while its guest goes on writing. */
export interface Fleece {
  disk: VmDisk;
  node: string;
  job: string;
  chain: DiskChain;
}

export function fleecesOf(files: VmFiles, disks: readonly VmDisk[]): Fleece[] {
  return disks.map((disk) => ({
    disk,
    node: `fleece-${disk.node}`,
    job: `backup-${disk.node}`,
    chain: { file: path.join(files.fleece, `${disk.node}.qcow2`), become: disk.chain.become },
  }));
}

export interface FleeceSizes {
  /** Of the disks. */
  bytes: readonly number[];
  /** Of each disk. */
  bitmaps: readonly (readonly Bitmap[])[];
  /** The bitmap that tells what is copied; undefined: all of it. */
  since: string | undefined;
}

/**
 * Makes the images and reserves their room: in QEMU 7.2 a guest's write fails when what it overwrites finds no place.
 * @throws ProvisionerError with the numbers when there is not enough.
 */
export async function makeFleeces(
  host: RootContext,
  files: VmFiles,
  fleeces: readonly Fleece[],
  { bytes, bitmaps, since }: FleeceSizes,
): Promise<void> {
  const needs: number[] = [];
  for (const [index, { disk }] of fleeces.entries()) {
    const dirty = bitmaps[index]?.find(({ name }) => name === since)?.bytes ?? 0;
    const content = since === undefined ? await contentBytes(host, disk) : dirty;
    needs.push(content + overhead(content, bytes[index] ?? 0));
  }
  const sum = needs.reduce((all, one) => all + one, 0);
  assertRoom(files.directory, 'a backup of the running VM', sum);
  for (const [index, { chain }] of fleeces.entries()) {
    await makeImage(host, chain, files, bytes[index] ?? 0);
    await reserve(host, chain.file, needs[index] ?? 0);
  }
}

const Measured = z.object({ required: z.number() });

/** What a stand-alone copy of it takes, with the layers below. */
async function contentBytes({ signal }: RootContext, { chain }: VmDisk): Promise<number> {
  const options = ['measure', '--output=json', '-U', '-O', 'qcow2', imageName(chain)];
  const { stdout } = await qemuImg(chain, options, { signal });
  return z.parse(Measured, JSON.parse(stdout)).required;
}

/** Tables, 8 bytes for each cluster of the disk at the most, and what the guest writes until it begins. */
function overhead(content: number, diskBytes: number): number {
  return Math.ceil(diskBytes / GRANULARITY) * 8 + Math.ceil(content / 16) + 16 * MiB;
}

async function makeImage(
  { signal }: RootContext,
  chain: DiskChain,
  files: VmFiles,
  bytes: number,
): Promise<void> {
  fs.closeSync(fs.openSync(chain.file, 'wx', 0o600));
  const { uid, gid } = fs.statSync(files.disk);
  fs.chownSync(chain.file, uid, gid);
  await qemuImg(chain, ['create', '-q', '-f', 'qcow2', chain.file, String(bytes)], { signal });
}

async function reserve(host: RootContext, file: string, bytes: number): Promise<void> {
  try {
    const options = { signal: host.signal, timeoutMs: 0 };
    await run('fallocate', ['--keep-size', `--length=${bytes}`, file], options);
  } catch (error) {
    host.signal.throwIfAborted();
    // Some file systems cannot; then the room is only watched.
    host.verbose(`room for the backup is not reserved: ${messageOf(error)}`);
  }
}
