import * as fs from 'node:fs';
import * as path from 'node:path';
import { BusyError } from '../errors.ts';
import { lockFile } from '../host/lock.ts';
import { removeStaleTemporaries } from '../host/temporary-files.ts';
import { removeStale } from '../image/staging.ts';
import { isVmName, type VmName } from '../types.ts';
import type { Host } from './host.ts';

/**
 * Takes away what commands that were killed had half-written or kept for a VM that did not come to be: files before
 * their rename, templates in the making, locks.
 */
export async function sweep(host: Host): Promise<void> {
  const { paths, role } = host;
  for (const directory of [paths.front, paths.journals, paths.metrics, paths.restartsDirectory])
    removeStaleTemporaries(directory);
  if (fs.existsSync(paths.staging)) await removeStale(paths);
  for (const name of namesIn(path.dirname(paths.lock(ANY)), LOCK)) await sweepLock(host, name);
  await removeUnlessHeld(paths.claimsLock, () => false, 'the template store');
  // The rest is root's; its own requests tidy up there.
  if (role.kind !== 'own') return;
  for (const directory of [paths.state, paths.run, paths.templates])
    removeStaleTemporaries(directory);
  for (const name of namesIn(paths.vms, /^(.+)$/))
    removeStaleTemporaries(path.join(paths.vms, name));
}

const LOCK = /^(?:\.root-|\.transition-|\.backup-)?(.+)\.lock$/;
const ANY = 'a' as VmName;

function namesIn(directory: string, pattern: RegExp): Set<VmName> {
  if (!fs.existsSync(directory)) return new Set();
  const names = fs.readdirSync(directory).map((file) => pattern.exec(file)?.[1]);
  return new Set(names.filter(isVmName));
}

/** Only who holds a lock may remove its file. One that is held belongs to a command under way. */
async function sweepLock(host: Host, name: VmName): Promise<void> {
  const folder = path.dirname(host.paths.lock(name));
  const isThere = (): boolean =>
    fs.existsSync(path.join(host.paths.vms, name)) || fs.existsSync(host.paths.journal(name));
  // Those of a transition and of a backup stay for nobody, not even for a VM that is there.
  const never = (): boolean => false;
  for (const [file, isWanted] of [
    [`${name}.lock`, isThere],
    [`.root-${name}.lock`, isThere],
    [`.transition-${name}.lock`, never],
    [`.backup-${name}.lock`, never],
  ] as const)
    await removeUnlessHeld(path.join(folder, file), isWanted, `VM ${name}`);
}

async function removeUnlessHeld(
  file: string,
  isWanted: () => boolean,
  what: string,
): Promise<void> {
  if (isWanted() || !fs.existsSync(file)) return;
  try {
    const lock = await lockFile(file, { what, holder: 'gc', waitMs: 0 });
    if (isWanted()) lock.release();
    else lock.remove();
  } catch (error) {
    if (!(error instanceof BusyError)) throw error;
  }
}
