import * as fs from 'node:fs';
import { ProvisionerError } from '../../errors.ts';
import { assertFree, freeBytes } from '../../host/free-space.ts';
import type { VmFiles } from '../../host/paths.ts';
import { MiB } from '../../types.ts';
import { GRANULARITY } from './bitmaps.ts';

/** Less than that is left to guests: they need it more than a backup does. */
const FLOOR = 64 * MiB;

/** @throws ProvisionerError when the file system of the VM's disks fills up meanwhile. */
export function assertRoomLeft({ directory }: VmFiles, what: 'backup' | 'restore'): void {
  // Of a VM that was destroyed meanwhile.
  if (!fs.existsSync(directory)) return;
  const free = freeBytes(directory);
  if (free >= FLOOR) return;
  throw new ProvisionerError(
    `only ${Math.floor(free / MiB)} MB are free in ${directory}: the ${what} is given up before guests run out of room`,
    { hint: 'free some space there and try again' },
  );
}

/**
 * Whoever writes to an image that nothing else has open writes all its bitmaps anew before the old ones are given up;
 * when there is no room for that, none of them can be trusted any more, and no increment can follow.
 * @throws ProvisionerError with the numbers, while nothing is written yet.
 */
export function assertRoomForBitmaps({ directory }: VmFiles, diskBytes: readonly number[]): void {
  const needs = diskBytes.map((bytes) => AT_MOST * (bytes / GRANULARITY / 8 + TABLES));
  const needed = needs.reduce((all, one) => all + one, MEANWHILE);
  assertFree(directory, 'what tells one backup from the next', needed);
}

/** The bitmaps of a disk: of the last backup, of the one before, of one that is being made. */
const AT_MOST = 3;
/** Of each, with what its last cluster does not fill. */
const TABLES = 256 * 1024;
/** What guests write until it is done. */
const MEANWHILE = 16 * MiB;

const LOOK_EVERY_MS = 500;

/** Does `work` and aborts it when too little room is left. */
export async function whileRoomIsLeft(
  files: VmFiles,
  what: 'backup' | 'restore',
  abort: AbortController,
  work: () => Promise<void>,
): Promise<void> {
  const look = (): void => {
    try {
      assertRoomLeft(files, what);
    } catch (error) {
      abort.abort(error);
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
}
