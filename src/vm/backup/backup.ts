import { BusyError, messageOf, ProvisionerError } from '../../errors.ts';
import type { VmName } from '../../types.ts';
import type { Host } from '../host.ts';
import { withVmLock } from '../lock.ts';
import { assertOperator } from '../own-host.ts';
import { recover } from '../recover.ts';
import type { BackupState } from '../root-side.ts';

export interface BackupOptions {
  /** Only what was written since the last backup. */
  incremental: boolean;
  /** Bytes per second at which the disks of a running VM are copied; 0 means no limit. */
  speed: number;
}

/**
 * Writes what the disks of a VM hold at one moment, all of them or what was written since the last backup, to where
 * the command line says. One that runs goes on. When it fails the VM is as before and the chain stays where it was.
 */
export async function backupVm(
  host: Host,
  name: VmName,
  options: BackupOptions,
): Promise<BackupState> {
  assertOperator(host, 'backup');
  const { backup } = host.root;
  const begun = await withVmLock(host, name, 'backup', async () => {
    await recover(host, name);
    return await backup.begin({ name, ...options });
  });
  if (!begun.copying) return begun;
  let written: BackupState;
  try {
    written = await backup.write();
  } catch (error) {
    await undo(host, name);
    throw error;
  }
  if (await afterwards(host, name, () => backup.end({ how: 'advance' }))) return written;
  throw new ProvisionerError(
    `VM ${name}: the backup is written, but no increment will follow it: other verbs kept the VM, or this one was interrupted`,
    { hint: 'make another backup; the next increment follows the one before this' },
  );
}

/** A stop takes most of a minute; who has interrupted the backup waits less. */
const TURN_MS = 120_000;
const INTERRUPTED_TURN_MS = 20_000;

/** Why the backup failed is told all the same. */
async function undo(host: Host, name: VmName): Promise<void> {
  try {
    await afterwards(host, name, () => host.root.backup.end({ how: 'undo' }));
  } catch (error) {
    host.report(`VM ${name}: what its backup needed is still there: ${messageOf(error)}`);
  }
}

/**
 * Also when whoever asked for the backup has interrupted it; who does so only now does not wait for the turn.
 * @returns false when the VM was busy all the time.
 */
async function afterwards(host: Host, name: VmName, work: () => Promise<void>): Promise<boolean> {
  const interrupted = host.signal.aborted;
  const calm = { ...host, signal: new AbortController().signal };
  const wait = interrupted ? INTERRUPTED_TURN_MS : TURN_MS;
  let begun = false;
  const turn = (): Promise<void> => {
    begun = true;
    return work();
  };
  try {
    await withVmLock(interrupted ? calm : host, name, 'backup', turn, wait);
    return true;
  } catch (error) {
    if (begun || !(error instanceof BusyError || host.signal.aborted)) throw error;
    host.report(`VM ${name}: what its backup needed is still there: ${messageOf(error)}`);
    await host.root.backup.end({ how: 'leave' });
    return false;
  }
}
