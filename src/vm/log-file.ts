import * as fs from 'node:fs';
import { errnoOf } from '../errors.ts';
import type { QemuUser } from './qemu-user.ts';

/** Makes an empty log that its logger, who runs as QEMU's user, can write and the access group can read. */
export function makeLogFile(file: string, user: QemuUser | undefined): void {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW } = fs.constants;
  const fd = fs.openSync(file, O_WRONLY | O_CREAT | O_NOFOLLOW, 0o640);
  fs.fchmodSync(fd, 0o640);
  if (user !== undefined) fs.fchownSync(fd, user.uid, user.accessGid);
  fs.closeSync(fd);
}

/** The last run's log stays readable beside the new one. */
export function keepPreviousLog(file: string, previous: string): void {
  try {
    fs.renameSync(file, previous);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
