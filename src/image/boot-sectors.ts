import { ProvisionerError } from '../errors.ts';

export const SECTOR = 512;

/** The first sector of the root partition; GRUB's core image lives between it and the partition table. */
export const FIRST_PARTITION_LBA = 2048;

/** Where core.img goes: right behind the partition table, as grub-install does it. */
export const CORE_LBA = 1;

/** Bytes of boot code in a master boot record; disk signature and partition table follow. */
const BOOT_CODE_BYTES = 440;

/** GRUB's boot.h: the core image's LBA, and the jump that trusts the BIOS's drive number. */
const KERNEL_SECTOR = 0x5c;
const DRIVE_CHECK = 0x66;

/** The first block list entry, the last 12 bytes of diskboot.img: u64 LBA, u16 sectors, u16 segment. */
const BLOCK_LIST = 0x1f4;

const SHORT_JUMP = 0xeb;
const NOP = 0x90;

/**
 * The boot code of a disk, from GRUB's boot.img, made to load the core image from CORE_LBA.
 * The drive check becomes no-ops, which is GRUB's own choice for hard disks: some BIOSes pass drive 0.
 * @throws ProvisionerError when this is not a boot.img.
 */
export function patchBootCode(bootImage: Uint8Array): Buffer {
  const code = Buffer.from(bootImage.subarray(0, BOOT_CODE_BYTES));
  if (bootImage.length !== SECTOR || code[0] !== SHORT_JUMP || code[DRIVE_CHECK] !== SHORT_JUMP)
    throw new ProvisionerError("GRUB's boot.img has an unknown layout");
  code.writeBigUInt64LE(BigInt(CORE_LBA), KERNEL_SECTOR);
  code.fill(NOP, DRIVE_CHECK, DRIVE_CHECK + 2);
  return code;
}

/**
 * The core image, made to load its own rest from the sectors that follow its first one.
 * @throws ProvisionerError when it does not fit before the first partition, or is not a core.img.
 */
export function patchCoreImage(coreImage: Uint8Array): Buffer {
  const sectors = Math.ceil(coreImage.length / SECTOR);
  const room = FIRST_PARTITION_LBA - CORE_LBA;
  if (sectors > room)
    throw new ProvisionerError(
      `GRUB's core image takes ${sectors} sectors, but only ${room} are free before the partition`,
    );
  const core = Buffer.alloc(sectors * SECTOR);
  core.set(coreImage);
  if (sectors < 2 || core.readUInt16LE(BLOCK_LIST + 8) !== sectors - 1)
    throw new ProvisionerError("GRUB's core image has an unknown layout");
  core.writeBigUInt64LE(BigInt(CORE_LBA + 1), BLOCK_LIST);
  return core;
}

/** sfdisk's script: one bootable Linux partition, last on the disk so that growpart can enlarge it. */
export function partitionScript(sizeBytes: number, signature: number): string {
  const sectors = Math.floor(sizeBytes / SECTOR) - FIRST_PARTITION_LBA;
  return [
    'label: dos',
    `label-id: 0x${signature.toString(16).padStart(8, '0')}`,
    'unit: sectors',
    `start=${FIRST_PARTITION_LBA}, size=${sectors}, type=83, bootable`,
    '',
  ].join('\n');
}
