import * as fs from 'node:fs';
import { lockFile } from '../host/lock.ts';
import type { VmName } from '../types.ts';
import type { Host } from './host.ts';

/** Verbs that change a VM take turns; the slowest of them, a graceful stop, is bounded at 45 s. */
const TURN_MS = 50_000;

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
