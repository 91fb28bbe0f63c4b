import * as fs from 'node:fs';
import { readFileIfExists } from './files.ts';

/**
 * Whether somebody holds flock(2) on the file, asked of the kernel: taking the lock to find out would turn
 * away a command that comes in that moment.
 */
export function isLockHeld(file: string): boolean {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  // proc(5): "1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF". Device numbers differ on overlays: the inode tells.
  const inode = new RegExp(`FLOCK .*:${stat.ino} `, 'm');
  return inode.test(readFileIfExists('/proc/locks') ?? '');
}
