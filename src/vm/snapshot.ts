import { InputError, NotFoundError, ProvisionerError } from '../errors.ts';
import {
  CHANGE_MS,
  changeSnapshots,
  type ImageSnapshot,
  listSnapshots,
} from '../image/snapshots.ts';
import { withQmp } from '../qmp/with-qmp.ts';
import { readVmConfig } from '../store/vm-config.ts';
import { quote, type VmName } from '../types.ts';
import { assertOff } from './assert-off.ts';
import { forgetBitmaps } from './backup/bitmaps.ts';
import { assertNoBackup } from './backup/settle-abandoned.ts';
import { disksOf, type VmDisk } from './disk-chains.ts';
import { processesOf } from './end-qemu.ts';
import { withFrozenGuest } from './freeze.ts';
import type { Host } from './host.ts';
import { withVmLock } from './lock.ts';
import { mended } from './mend.ts';
import { onDisks, type SnapshotEntry } from './mend-snapshot.ts';
import { observe } from './observe.ts';
import { assertOwnHost } from './own-host.ts';
import { recover } from './recover.ts';

export interface SnapshotResult {
  /** Whether the guest's file systems were at rest; null when the VM was off. */
  quiesced: boolean | null;
}

/** Snapshots of all disks of a VM, oldest first; those that not every disk has are left out. */
export async function snapshotsOf(host: Host, name: VmName): Promise<ImageSnapshot[]> {
  assertOwnHost(host, 'snapshot');
  const files = host.paths.vm(name);
  const [first, ...more] = disksOf(host, files, readVmConfig(name, files));
  const lists = await Promise.all(more.map(({ chain }) => listSnapshots(chain)));
  const everywhere = (wanted: ImageSnapshot): boolean =>
    lists.every((list) => list.some((snapshot) => snapshot.name === wanted.name));
  return (await listSnapshots(first.chain)).filter(everywhere);
}

/**
 * Keeps what the disks hold now, in the disks themselves (qcow2's internal snapshots). Of a running VM
 * too: its guest is halted for the moment, and its file systems are at rest when the agent answers.
 */
export function createSnapshot(host: Host, name: VmName, label: string): Promise<SnapshotResult> {
  return change(host, name, 'snapshot', async (disks, running) => {
    assertLabel(label);
    if ((await snapshotsOf(host, name)).some((snapshot) => snapshot.name === label)) {
      throw new InputError(`VM ${name} has a snapshot ${label} already`, {
        hint: 'choose another name, or delete that one',
      });
    }
    const take = (): Promise<void> => takeLive(host, name, disks, label);
    return await mended(host, name, await begun(host, name, 'create', label), async () => {
      if (running) return { quiesced: await withFrozenGuest(host, name, take) };
      for (const { chain } of disks) await changeSnapshots(chain, 'create', label);
      return { quiesced: null };
    });
  });
}

/** Puts the disks back to what they were. The VM has to be off. */
export function restoreSnapshot(host: Host, name: VmName, label: string): Promise<void> {
  return change(host, name, 'restore', async (disks) => {
    await assertKnown(host, name, label);
    assertOff(name, host.paths.vm(name), 'a snapshot is restored when it is off');
    // What was written since the last backup is then no longer what differs from it.
    await forgetBitmaps(disks);
    await mended(host, name, await begun(host, name, 'restore', label), () =>
      onDisks(host, name, disks, 'restore', label),
    );
  });
}

export function deleteSnapshot(host: Host, name: VmName, label: string): Promise<void> {
  return change(host, name, 'snapshot', async (disks) => {
    await assertKnown(host, name, label);
    await mended(host, name, await begun(host, name, 'delete', label), () =>
      onDisks(host, name, disks, 'delete', label),
    );
  });
}

function change<T>(
  host: Host,
  name: VmName,
  verb: string,
  work: (disks: readonly VmDisk[], running: boolean) => Promise<T>,
): Promise<T> {
  assertOwnHost(host, 'snapshot');
  return withVmLock(host, name, verb, async () => {
    await assertNoBackup(host, name);
    await recover(host, name);
    const files = host.paths.vm(name);
    const config = readVmConfig(name, files);
    return await work(disksOf(host, files, config), processesOf(files).length > 0);
  });
}

/** Milliseconds that who interrupts a snapshot waits for QEMU to be done, so that its guest goes on. */
const FINISH_MS = 30_000;

/** All disks at one moment: while the guest's CPUs are halted nothing is written. */
function takeLive(
  host: Host,
  name: VmName,
  disks: readonly VmDisk[],
  label: string,
): Promise<void> {
  const { signal } = host;
  return withQmp(host.paths.vm(name).qmp, async (qmp) => {
    const { running } = await qmp.execute('query-status');
    if (running) await qmp.execute('stop');
    try {
      for (const { node } of disks)
        await qmp.execute(
          'blockdev-snapshot-internal-sync',
          { device: node, name: label },
          { deadlineMs: CHANGE_MS, signal },
        );
    } finally {
      const limits = signal.aborted ? { deadlineMs: FINISH_MS } : {};
      if (running) await qmp.execute('cont', undefined, limits);
    }
  });
}

async function begun(
  host: Host,
  name: VmName,
  action: SnapshotEntry['action'],
  label: string,
): Promise<SnapshotEntry> {
  const { state } = await observe(host, name);
  if (state === 'unknown') {
    throw new ProvisionerError(`VM ${name}: its QEMU does not say whether the guest runs`, {
      hint: 'nothing was changed: try again',
    });
  }
  return { verb: 'snapshot', action, label, running: state === 'running' };
}

async function assertKnown(host: Host, name: VmName, label: string): Promise<void> {
  const known = (await snapshotsOf(host, name)).map((snapshot) => snapshot.name);
  if (known.includes(label)) return;
  throw new NotFoundError(`VM ${name} has no snapshot ${quote(label)}`, {
    hint: known.length === 0 ? 'it has none' : `there are: ${known.join(', ')}`,
  });
}

/** qemu-img takes a number for the id of a snapshot. @throws InputError */
function assertLabel(label: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(label) && !/^\d+$/.test(label)) return;
  throw new InputError(`${quote(label)} is not a valid name of a snapshot`, {
    hint: 'use letters, digits, dots, underscores and dashes, not digits alone',
  });
}
