import * as fs from 'node:fs';

/** Bytes of the file system that holds `directory` that are free for those who are not root (statfs(2)). */
export function freeBytes(directory: string): number {
  const { bavail, bsize } = fs.statfsSync(directory);
  return bavail * bsize;
}

/** A guest that has found the disk full goes on when there is more than its next few writes need. */
const ROOM_BYTES = 64 * 1024 * 1024;

export function hasRoomAgain(directory: string): boolean {
  return freeBytes(directory) >= ROOM_BYTES;
}
