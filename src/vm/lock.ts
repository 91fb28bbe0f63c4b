import * as fs from 'node:fs';
import { lockFile } from '../host/lock.ts';
import type { VmName } from '../types.ts';
import type { Host } from './host.ts';

/** Verbs that change a VM take turns. Callers give them 60 s in all, and a graceful stop needs most of that. */
const TURN_MS = 10_000;

/**
 * Runs `work` as the only command that changes this VM.
 * @throws BusyError naming the command that holds it when the turn does not come in time.
 */
export async function withVmLock<T>(
  host: Host,
  name: VmName,
  verb: string,
  work: () => Promise<T>,
  waitMs = TURN_MS,
): Promise<T> {
  const lock = await lockFile(host.paths.lock(name), {
    what: `VM ${name}`,
    holder: `${verb} of ${name}`,
    waitMs,
    signal: host.signal,
  });
  try {
    return await work();
  } finally {
    // The lock of a VM that is not there (destroyed, or never made) would be a leftover.
    if (exists(host, name)) lock.release();
    else lock.remove();
  }
}

function exists(host: Host, name: VmName): boolean {
  return [host.paths.vm(name).directory, host.paths.journal(name)].some((file) =>
    fs.existsSync(file),
  );
}
