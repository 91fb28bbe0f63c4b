import * as os from 'node:os';
import { InputError } from '../errors.ts';
import type { Settings } from '../host/config.ts';
import { readSmallFile } from '../host/regular-file.ts';
import { GiB, MiB, quote, type VmName } from '../types.ts';
import { checkExtras, type Extras } from './extras.ts';
import type { Host } from './host.ts';
import { within } from './within.ts';

/** What a caller asks of `create`; checked by `checkCreateSpec`. */
export interface CreateSpec {
  name: VmName;
  /** Empty when nobody's. */
  wallet: string;
  nftTokenId: string | null;
  expiryDays: number;
  vcpus: number;
  memoryMb: number;
  /** Undefined: 20 GB, or the image's size when that is larger. */
  diskGb: number | undefined;
  username: string;
  network: Settings['network'];
  bridge: string | undefined;
  /** A disk image to start from instead of the current template. */
  image: string | undefined;
  /** A template other than the current one. */
  template: string | undefined;
  /** Replaces the user-data we would render. */
  cloudInitContent: string | undefined;
  sshKeys: string[];
  extras?: Extras;
  /** What the disks hold from the start, instead of a template or an image. */
  content?: DiskContent;
}

export interface DiskContent {
  /** Size of the system's disk. */
  diskBytes: number;
  /** How much there is to write. */
  bytes: number;
  /** Fills the disks of the VM, which has its files and is off. */
  write(host: Host, name: VmName): Promise<void>;
}

export const DEFAULT_DISK_GB = 20;
/** Beyond that ext4 and qcow2 defaults stop making sense. */
const MAX_DISK_GB = 16_384;
const MIN_MEMORY_MB = 64;

/** @throws InputError naming the option, what was given and what is possible here. */
export async function checkCreateSpec(spec: CreateSpec): Promise<void> {
  // The value goes into YAML and into GECOS, where a colon ends the field.
  if (!/^[A-Za-z0-9_]{0,128}$/.test(spec.wallet)) {
    throw new InputError(`${quote(spec.wallet)} is not a valid wallet address`, {
      hint: 'use up to 128 letters, digits and underscores',
    });
  }
  if (spec.nftTokenId !== null && !/^[A-Za-z0-9_.-]{1,128}$/.test(spec.nftTokenId)) {
    throw new InputError(`${quote(spec.nftTokenId)} is not a valid NFT token id`);
  }
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(spec.username)) {
    throw new InputError(`${quote(spec.username)} is not a valid user name`, {
      hint: 'use up to 32 lower-case letters, digits, dashes and underscores, beginning with a letter',
    });
  }
  // What becomes part of a path; the kernel's own limit is 15 (IFNAMSIZ).
  if (spec.bridge !== undefined && !/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/.test(spec.bridge)) {
    throw new InputError(`${quote(spec.bridge)} is not a valid name of a bridge`);
  }
  if (spec.extras !== undefined) checkExtras(spec.extras, spec.network);
  await checkSizes(spec.vcpus, spec.memoryMb);
  within('--disk', spec.diskGb ?? DEFAULT_DISK_GB, 1, MAX_DISK_GB, 'in GB');
  within('--expiry-days', spec.expiryDays, 0, 36_500, 'a hundred years');
  if (spec.network === 'bridge' && spec.bridge === undefined) {
    throw new InputError('bridge networking needs a bridge', {
      hint: 'name it with --bridge, or set bridge in the configuration',
    });
  }
}

/** @throws InputError naming the option and what this host has. */
export async function checkSizes(vcpus: number, memoryMb: number): Promise<void> {
  const cpus = os.availableParallelism();
  within('--cpu', vcpus, 1, cpus, `this host has ${cpus}`);
  const total = await hostMemoryMb();
  within('--memory', memoryMb, MIN_MEMORY_MB, total, `this host has ${total} MB`);
}

/** Bytes of the VM's disk, given the size of what it starts from. */
export function diskBytes(spec: CreateSpec, templateBytes: number): number {
  if (spec.content !== undefined) return spec.content.diskBytes;
  if (spec.diskGb !== undefined) return spec.diskGb * GiB;
  return Math.max(DEFAULT_DISK_GB * GiB, templateBytes);
}

const MAX_CLOUD_INIT = MiB;

/** @throws InputError when it cannot be read or is too large to be meant. */
export function readCloudInitContent(file: string): string {
  return readSmallFile(file, `the cloud-init content ${quote(file)}`, MAX_CLOUD_INIT);
}

async function hostMemoryMb(): Promise<number> {
  const { mem } = await import('systeminformation');
  return Math.floor((await mem()).total / MiB);
}
