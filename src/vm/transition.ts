import * as path from 'node:path';
import { lockFile } from '../host/lock.ts';
import type { VmName } from '../types.ts';
import type { Host } from './host.ts';

/** A stop, the longest part of any of them, takes 45 s at most. */
const TURN_MS = 60_000;

/**
 * Runs `work` as the only one that moves this VM between active, suspended and destroyed: what is judged
 * by its record and what then happens to the VM must not be parted by another's change.
 */
export async function withTransition<T>(
  host: Host,
  name: VmName,
  verb: string,
  work: () => Promise<T>,
): Promise<T> {
  // No VM's name begins with a dot, so this is no other VM's lock.
  const file = path.join(path.dirname(host.paths.lock(name)), `.transition-${name}.lock`);
  const lock = await lockFile(file, {
    what: `VM ${name}`,
    holder: `${verb} of ${name}`,
    waitMs: TURN_MS,
    signal: host.signal,
  });
  try {
    return await work();
  } finally {
    lock.remove();
  }
}
