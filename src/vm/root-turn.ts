import * as fs from 'node:fs';
import { lockFile } from '../host/lock.ts';
import { removeStaleTemporaries } from '../host/temporary-files.ts';
import type { VmName } from '../types.ts';
import type { RootContext } from './host.ts';

/** Whoever waits behind a door holds others up. */
const HASTY_MS = 400;
const PATIENT_MS = 15_000;

/**
 * One request at a time for each VM: a verb that was killed may have left one under way, and `kill` does not wait
 * for its turn among verbs. @throws BusyError
 */
export async function inTurn<T>(
  context: RootContext,
  request: string,
  name: VmName,
  work: () => Promise<T>,
): Promise<T> {
  const { paths, inHaste } = context;
  // Not ended by a signal: undoing comes this way, too.
  const lock = await lockFile(paths.rootLock(name), {
    what: `VM ${name}`,
    holder: `the root side (${request})`,
    waitMs: inHaste === true ? HASTY_MS : PATIENT_MS,
  });
  try {
    removeStaleTemporaries(paths.vm(name).directory);
    return await work();
  } finally {
    // The lock of a VM that is not there afterwards would be a leftover.
    if (fs.existsSync(paths.vm(name).directory)) lock.release();
    else lock.remove();
  }
}
