import * as fs from 'node:fs';
import { errnoOf, InputError, messageOf, NotFoundError } from '../errors.ts';
import { readRange } from '../host/read-range.ts';

/** Formats that `qemu-img` converts and whose files name no other file when the checks below pass. */
export type ImageFormat = 'qcow2' | 'vmdk' | 'vdi' | 'vhdx' | 'vpc' | 'raw';

/**
 * Tells a disk image's format from its first bytes, without QEMU: opening an image with QEMU also opens
 * whatever files its header names, such as /etc/shadow or a device.
 * @throws InputError when it needs other files, or is no disk image.
 */
export function probeImage(file: string): ImageFormat {
  const { head, size } = readHead(file);
  const magic = head.toString('latin1', 0, 8);
  if (magic.startsWith('QFI\xfb')) return checkQcow2(file, head);
  if (magic.startsWith('KDMV')) return checkVmdk(file, head);
  if (magic.startsWith('# Disk') || magic.startsWith('COWD')) {
    throw new InputError(`${file} is a VMDK whose data is in other files`, {
      hint: 'convert it first: qemu-img convert -O qcow2',
    });
  }
  if (head.readUInt32LE(0x40) === 0xbeda107f) return 'vdi';
  if (magic === 'vhdxfile') return 'vhdx';
  if (magic === 'conectix') return 'vpc';
  const packed = PACKED.find(([bytes]) => magic.startsWith(bytes));
  if (packed !== undefined) {
    throw new InputError(`${file} is compressed`, { hint: `unpack it first with ${packed[1]}` });
  }
  if (size >= 512 && head.readUInt16BE(510) === 0x55aa) return 'raw';
  throw new InputError(`${file} is not a disk image`, {
    hint: 'use a bootable qcow2, raw, VMDK, VDI, VHD or VHDX image',
  });
}

const PACKED = [
  ['\x1f\x8b', 'gunzip'],
  ['\xfd7zXZ', 'unxz'],
  ['\x28\xb5\x2f\xfd', 'unzstd'],
  ['BZh', 'bunzip2'],
  ['PK\x03\x04', 'unzip'],
] as const;

/** Field offsets: docs/interop/qcow2.txt of QEMU. */
function checkQcow2(file: string, head: Buffer): ImageFormat {
  const version = head.readUInt32BE(4);
  if (version !== 2 && version !== 3)
    throw new InputError(`${file} is a qcow image of unknown version ${version}`);
  if (head.readBigUInt64BE(8) !== 0n) refuse(file, 'a backing file', 'qemu-img convert -O qcow2');
  if (version === 3 && (head.readBigUInt64BE(72) & 4n) !== 0n)
    refuse(file, 'an external data file', 'qemu-img convert -O qcow2');
  if (head.readUInt32BE(32) !== 0) throw new InputError(`${file} is encrypted`);
  return 'qcow2';
}

/** Where QEMU looks for a parent, wherever the header says that the descriptor is (block/vmdk.c), and how far. */
const PARENT_AT = 0x200;
const PARENT_BYTES = 20 * 512;

/** A sparse extent may embed a descriptor; zero capacity means that the descriptor, hence other files, rules. */
function checkVmdk(file: string, head: Buffer): ImageFormat {
  if (head.readBigUInt64LE(12) === 0n) refuse(file, 'other files', 'qemu-img convert -O qcow2');
  const descriptorAt = Number(head.readBigUInt64LE(28)) * 512;
  const descriptorSize = Number(head.readBigUInt64LE(36)) * 512;
  const length = Math.min(descriptorSize, 1024 * 1024);
  const text = descriptorAt === 0 ? '' : latin1(file, descriptorAt, length);
  const parent = /^\s*parentCID\s*=\s*"?([0-9a-f]+)/im.exec(text)?.[1];
  const named = /parentFileName/i.test(text + latin1(file, PARENT_AT, PARENT_BYTES));
  if (named || (parent !== undefined && parent.toLowerCase() !== 'ffffffff'))
    refuse(file, 'a parent image', 'qemu-img convert -O qcow2');
  return 'vmdk';
}

function latin1(file: string, position: number, length: number): string {
  return readRange(file, position, length).toString('latin1');
}

function refuse(file: string, what: string, command: string): never {
  throw new InputError(`${file} depends on ${what}, which is not followed`, {
    hint: `make it a single file first: ${command}`,
  });
}

function readHead(file: string): { head: Buffer; size: number } {
  try {
    const stat = fs.statSync(file);
    if (!stat.isFile()) throw new InputError(`${file} is not a regular file`);
    return { head: readRange(file, 0, 1024), size: stat.size };
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    if (errnoOf(cause) === 'ENOENT') throw new NotFoundError(`there is no file ${file}`);
    throw new InputError(`${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}
