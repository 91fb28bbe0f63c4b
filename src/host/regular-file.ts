import * as fs from 'node:fs';
import { InputError } from '../errors.ts';
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
    if (fs.fstatSync(fd).size > mostBytes)
      throw new InputError(`${what} is larger than ${mostBytes / MiB} MiB`);
    return fs.readFileSync(fd, 'utf8');
  } finally {
    fs.closeSync(fd);
  }
}
