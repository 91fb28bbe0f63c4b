import * as fs from 'node:fs';

/** @returns bytes of a file from `at` on; where the file has none they are 0. */
export function readRange(file: string, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const fd = fs.openSync(file, 'r');
  try {
    fs.readSync(fd, bytes, 0, length, at);
  } finally {
    fs.closeSync(fd);
  }
  return bytes;
}
