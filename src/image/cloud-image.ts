import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError, ProvisionerError } from '../errors.ts';
import { run } from '../host/exec.ts';
import { assertFree } from '../host/free-space.ts';
import { openRegular } from '../host/regular-file.ts';
import { GiB, MiB, type Report } from '../types.ts';
import { parseChecksum, verifyChecksum } from './checksum.ts';
import type { CustomizeFacts } from './customize-log.ts';
import { customizeVm } from './customize-vm.ts';
import { download } from './download.ts';
import { probeImage } from './image-probe.ts';
import { convertToQcow2, imageInfo } from './qcow2.ts';

export interface CloudImageOptions {
  /** Path, or http(s) URL. */
  source: string;
  checksum: string;
  payload: string;
  workDir: string;
  /** The qcow2 to make. */
  image: string;
  accel: 'kvm' | 'tcg';
  qemuBinary: string;
  deadlineMs: number;
  report: Report;
  signal?: AbortSignal | undefined;
}

/** Makes a template's disk from a distribution's cloud image. */
export async function customizeCloudImage(options: CloudImageOptions): Promise<CustomizeFacts> {
  const { source, workDir, image, report, signal } = options;
  const checksum = parseChecksum(options.checksum);
  const file = await localCopy(options);
  report('verifying the checksum');
  await verifyChecksum(file, checksum, source, signal);
  const format = probeImage(file);
  report('copying the image');
  await convertToQcow2({ from: file, fromFormat: format, to: image, signal });
  fs.rmSync(file);
  await makeRoom(image, signal);
  const facts = await customizeVm(options);
  for (const name of ['seed.iso', 'payload.iso']) fs.rmSync(path.join(workDir, name));
  return facts;
}

/** In the staging directory: nobody can swap it between check and use. */
async function localCopy(options: CloudImageOptions): Promise<string> {
  const { source, workDir, report, signal } = options;
  const file = path.join(workDir, 'cloud-image');
  if (/^https?:\/\//.test(source)) {
    await download(source, file, {
      onSize: (bytes) => assertBuildRoom(workDir, bytes),
      report,
      signal,
    });
    return file;
  }
  if (/^[a-z]+:\/\//i.test(source))
    throw new InputError(`${source}: only http and https addresses can be downloaded`);
  const fd = openRegular(source, `the cloud image ${source}`);
  try {
    assertBuildRoom(workDir, fs.fstatSync(fd).size);
  } finally {
    fs.closeSync(fd);
  }
  try {
    // Reflink where the file system can; otherwise an ordinary copy.
    await fs.promises.copyFile(source, file, fs.constants.COPYFILE_FICLONE);
  } catch (cause) {
    throw new ProvisionerError(`${source} cannot be read`, { cause });
  }
  return file;
}

/** What is installed into it, and logs. */
const GROWTH_BYTES = 512 * MiB;

/** Our copy of the image and what it is converted to. @throws ProvisionerError with the numbers. */
function assertBuildRoom(workDir: string, bytes: number): void {
  assertFree(workDir, 'building a template', 2 * bytes + GROWTH_BYTES);
}

const LEAST_SIZE = 4 * GiB;

/** Cloud images are nearly full; cloud-init grows the root file system into what is added here. */
async function makeRoom(image: string, signal: AbortSignal | undefined): Promise<void> {
  const { virtualSize } = await imageInfo(image, { format: 'qcow2', signal });
  if (virtualSize >= LEAST_SIZE) return;
  await run('qemu-img', ['resize', '-q', '-f', 'qcow2', image, String(LEAST_SIZE)], { signal });
}
