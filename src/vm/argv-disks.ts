import { DEVICE, THROTTLE_GROUP } from '../types.ts';

/** The system's disk; paths are absolute. */
export interface DiskLaunch {
  file: string;
  backing: string;
  aio: 'native' | 'io_uring' | 'threads';
  direct: boolean;
}

/** A template is read through the host's page cache: one copy in memory serves all VMs made from it. */
const SHARED = { cache: { direct: false, 'no-flush': false }, aio: 'threads' };

/**
 * Every layer is named, the backing file too: QEMU then never follows a path that stands in an image.
 */
export function systemDisk(disk: DiskLaunch): string[][] {
  return [
    blockdev({
      driver: 'file',
      'node-name': 'template-file',
      filename: disk.backing,
      'read-only': true,
      'auto-read-only': false,
      ...SHARED,
    }),
    blockdev({
      driver: 'qcow2',
      'node-name': 'template',
      file: 'template-file',
      'read-only': true,
      cache: SHARED.cache,
    }),
    ...ownImage('disk', disk, 'template'),
    ['-object', `throttle-group,id=${THROTTLE_GROUP}`],
    throttled('disk', 'disk-image'),
    [
      '-device',
      `virtio-blk-pci,id=${DEVICE.disk},drive=disk,iothread=io0,bootindex=1,write-cache=on,discard=on,serial=disk`,
    ],
  ];
}

export function seed(file: string): string[][] {
  return [
    blockdev({ driver: 'file', 'node-name': 'seed-file', filename: file, 'read-only': true }),
    blockdev({ driver: 'raw', 'node-name': 'seed', file: 'seed-file', 'read-only': true }),
    ['-device', `virtio-blk-pci,id=${DEVICE.seed},drive=seed,serial=seed`],
  ];
}

/** One of the VM's own, on the same storage as the system's. @param number its place, from 1 */
export function extraDisk(system: DiskLaunch, file: string, number: number): string[][] {
  const id = `extra${number}`;
  return [
    ...ownImage(id, { ...system, file }, null),
    throttled(id, `${id}-image`),
    ['-device', `virtio-blk-pci,id=${id},drive=${id},iothread=io0,discard=on,serial=${id}`],
  ];
}

/** The two nodes of an image that only this VM writes to, `ID-file` and `ID-image`. @param backing a node */
function ownImage(
  id: string,
  { file, aio, direct }: Omit<DiskLaunch, 'backing'>,
  backing: string | null,
): string[][] {
  const cache = { direct, 'no-flush': false };
  return [
    blockdev({
      driver: 'file',
      'node-name': `${id}-file`,
      filename: file,
      discard: 'unmap',
      cache,
      aio,
    }),
    blockdev({
      driver: 'qcow2',
      'node-name': `${id}-image`,
      file: `${id}-file`,
      backing,
      discard: 'unmap',
      'detect-zeroes': 'unmap',
      cache,
    }),
  ];
}

/**
 * What a device sees of an image: all disks of a VM draw on one group. Limits are set and changed in the group while
 * QEMU runs; without any it costs nothing.
 */
function throttled(name: string, image: string): string[] {
  return blockdev({
    driver: 'throttle',
    'node-name': name,
    'throttle-group': THROTTLE_GROUP,
    file: image,
  });
}

function blockdev(node: Record<string, unknown>): string[] {
  return ['-blockdev', JSON.stringify(node)];
}
