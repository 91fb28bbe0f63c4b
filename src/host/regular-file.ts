import * as fs from 'node:fs';
import { InputError, messageOf } from '../errors.ts';
import { MiB } from '../types.ts';

/** Opening a pipe waits for its other end; what it is shows only then. */
const { O_RDONLY, O_NONBLOCK } = fs.constants;

/**
 * A file that somebody named, opened for reading: one that exists, and holds bytes.
 * @param what for the message: "the SSH key file "x"".
 * @throws InputError when it is no regular file, or cannot be read.
 */
export function openRegular(file: string, what: string): number {
  let fd: number;
  try {
    fd = fs.openSync(file, O_RDONLY | O_NONBLOCK);
  } catch (cause) {
    throw new InputError(`${what} cannot be read`, { hint: 'check the path', cause });
  }
  if (fs.fstatSync(fd).isFile()) return fd;
  fs.closeSync(fd);
  throw new InputError(`${what} is not a file`);
}

/** The text of a file that is not large. @throws InputError as `openRegular`, and when it is larger than that. */
export function readSmallFile(file: string, what: string, mostBytes: number): string {
  const fd = openRegular(file, what);
  try {
    // Of files in /proc the size says nothing.
    const bytes = Buffer.alloc(mostBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= mostBytes; length += read)
      read = fs.readSync(fd, bytes, length, bytes.length - length, null);
    if (length > mostBytes) throw new InputError(`${what} is larger than ${mostBytes / MiB} MiB`);
    return bytes.toString('utf8', 0, length);
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new InputError(`${what} cannot be read: ${messageOf(cause)}`, { cause });
  } finally {
    fs.closeSync(fd);
  }
}
