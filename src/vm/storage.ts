import * as fs from 'node:fs';
import * as path from 'node:path';
import { assertFree } from '../host/free-space.ts';
import { temporaryBeside } from '../host/temporary-files.ts';
import { MiB } from '../types.ts';

export interface StorageFeatures {
  /** O_DIRECT: QEMU bypasses the host's page cache, which the guest's own makes superfluous. */
  direct: boolean;
  /** Linux AIO needs O_DIRECT; without it QEMU's thread pool serves. */
  aio: 'native' | 'threads';
}

/** What the file system that holds `directory` can do, found out by opening a file there. */
export function storageFeatures(directory: string): StorageFeatures {
  const probe = temporaryBeside(path.join(directory, 'probe'));
  try {
    const { O_RDWR, O_CREAT, O_EXCL, O_DIRECT } = fs.constants;
    fs.closeSync(fs.openSync(probe, O_RDWR | O_CREAT | O_EXCL | O_DIRECT, 0o600));
    return { direct: true, aio: 'native' };
  } catch {
    return { direct: false, aio: 'threads' };
  } finally {
    fs.rmSync(probe, { force: true });
  }
}

/** A new VM needs room for its first writes, or its file system is damaged before its first login. */
const NEEDED_BYTES = 256 * MiB;

/** @throws ProvisionerError with the numbers when the file system is nearly full. */
export function assertRoom(directory: string, what = 'a new VM', bytes = 0): void {
  assertFree(directory, what, NEEDED_BYTES + bytes);
}
