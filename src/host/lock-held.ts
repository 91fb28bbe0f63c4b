import * as fs from 'node:fs';
import { readFileIfExists } from './files.ts';
import { canTake } from './lock.ts';
import { inFirstPidNamespace } from './process.ts';

/**
 * Whether somebody holds flock(2) on the file, asked of the kernel where it tells: taking the lock to find out
 * would turn away a command that comes in that moment.
 */
export async function isLockHeld(file: string): Promise<boolean> {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  // proc(5): "1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF", with the device in hexadecimal.
  const device = ANONYMOUS.has(fs.statfsSync(file).type) ? '\\w+:\\w+' : deviceOf(stat.dev);
  const line = new RegExp(`FLOCK .* ${device}:${stat.ino} `, 'm');
  if (line.test(readFileIfExists('/proc/locks') ?? '')) return true;
  // In a container it lists only locks whose takers are there still, and flock(1) is not.
  return !inFirstPidNamespace() && !(await canTake(file));
}

/** File systems whose files have another device in stat(2) than in /proc/locks: overlay, btrfs (linux/magic.h). */
const ANONYMOUS: ReadonlySet<number> = new Set([0x794c7630, 0x9123683e]);

/** st_dev as gnu_dev_makedev(3) packs it, as the kernel prints it. */
function deviceOf(dev: number): string {
  const value = BigInt(dev);
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & ~0xfffn);
  const minor = (value & 0xffn) | ((value >> 12n) & ~0xffn);
  return [major, minor].map((number) => number.toString(16).padStart(2, '0')).join(':');
}
