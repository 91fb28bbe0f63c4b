import * as fs from 'node:fs';
import * as path from 'node:path';
import { ProvisionerError } from '../errors.ts';
import { MiB } from '../types.ts';

/** Bytes of the file system that holds `directory` that are free for those who are not root (statfs(2)). */
export function freeBytes(directory: string): number {
  const { bavail, bsize } = fs.statfsSync(directory);
  return bavail * bsize;
}

/**
 * @param what needs the room, for the message: "a new VM".
 * @throws ProvisionerError with the numbers when fewer bytes are free.
 */
export function assertFree(directory: string, what: string, needed: number): void {
  const free = freeBytes(directory);
  if (free >= needed) return;
  throw new ProvisionerError(
    `only ${Math.floor(free / MiB)} MB are free in ${directory}, ${what} needs ${Math.ceil(needed / MiB)} MB`,
    { hint: 'free some space there, or choose another state_dir' },
  );
}

/** A guest that has found the disk full goes on when there is more than its next few writes need. */
const ROOM_BYTES = 64 * MiB;

export function hasRoomAgain(directory: string): boolean {
  return freeBytes(directory) >= ROOM_BYTES;
}

/** The directory itself, or the one above it in which it would be made. */
export function nearestFolder(directory: string): string {
  const parent = path.dirname(directory);
  return fs.existsSync(directory) || parent === directory ? directory : nearestFolder(parent);
}
