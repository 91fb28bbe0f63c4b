import { messageOf, ProvisionerError } from '../../errors.ts';
import type { VmFiles } from '../../host/paths.ts';
import { isRunning, type ProcessIdentity } from '../../host/process.ts';
import { monotonicMs, poll, sleep } from '../../host/time.ts';
import { BLOCK_NODES_BYTES, type QmpClient } from '../../qmp/client.ts';
import type { TransactionAction } from '../../qmp/commands/arguments.ts';
import { QmpGoneError, QmpTimeoutError } from '../../qmp/errors.ts';
import { withQmp } from '../../qmp/with-qmp.ts';
import type { VmName } from '../../types.ts';
import { processesOf } from '../end-qemu.ts';
import { withFrozenGuest } from '../freeze.ts';
import type { RootContext } from '../host.ts';
import { GRANULARITY } from './bitmaps.ts';
import type { Fleece } from './fleece.ts';
import { assertRoomLeft } from './room.ts';

/** @throws ProvisionerError when a write of the guest has failed: what it holds back is on no disk. */
export async function assertNotHalted(qmp: QmpClient, name: VmName): Promise<void> {
  if ((await qmp.execute('query-status')).status !== 'io-error') return;
  throw new ProvisionerError(
    `VM ${name} is paused: a write to its disk failed on the host, and its guest waits for room`,
    { hint: `free some space, run start ${name}, then back it up` },
  );
}

export interface Copying {
  /** The bitmap that notes what is written from now on. */
  next: string;
  /** The bitmap that tells what is copied; undefined: all of it. */
  since: string | undefined;
  /** Bytes per second; 0 means no limit. */
  speed: number;
}

/**
 * Begins to copy all disks as they are at one moment, at which the guest's file systems are at rest if its agent can
 * bring them to rest. @returns whether they were.
 */
export async function beginJobs(
  host: RootContext,
  name: VmName,
  fleeces: readonly Fleece[],
  copying: Copying,
): Promise<boolean> {
  const { qmp: socket } = host.paths.vm(name);
  await withQmp(
    socket,
    async (qmp) => {
      for (const { node, chain } of fleeces)
        await qmp.execute('blockdev-add', nodeOf(node, chain.file));
    },
    MONITOR,
  );
  const actions = fleeces.flatMap((fleece) => actionsOf(fleece, copying));
  return await withFrozenGuest(host, name, () =>
    withQmp(
      socket,
      async (qmp) => {
        await qmp.execute('transaction', { actions }, { deadlineMs: BEGIN_MS });
      },
      MONITOR,
    ),
  );
}

/** For a monitor that others use, each for moments, or a host that is busy. */
export const MONITOR = { deadlineMs: 10_000, maxLineBytes: BLOCK_NODES_BYTES };
/** Requests that are under way are waited for. */
const BEGIN_MS = 20_000;

/** It need not survive the host: nothing of it is flushed. */
function nodeOf(node: string, filename: string) {
  const cache = { direct: false, 'no-flush': true };
  const file = { driver: 'file', filename, cache };
  return { driver: 'qcow2', 'node-name': node, file, backing: null, cache };
}

/** What is marked now goes with the fleece; the bitmap of the last backup goes on, in case this one fails. */
function actionsOf(
  { disk: { image }, node, job }: Fleece,
  { next, since, speed }: Copying,
): TransactionAction[] {
  const bitmap = { granularity: GRANULARITY, persistent: true };
  const merge = (from: { node: string; name: string }): TransactionAction => ({
    type: 'block-dirty-bitmap-merge',
    data: { node, target: since ?? '', bitmaps: [from] },
  });
  const all: TransactionAction[] = [
    { type: 'block-dirty-bitmap-add', data: { node: image, name: next, ...bitmap } },
  ];
  if (since !== undefined) {
    const copy = { node, name: since, ...bitmap, disabled: true };
    all.push({ type: 'block-dirty-bitmap-add', data: copy });
    all.push(merge({ node: image, name: since }));
  }
  const what =
    since === undefined
      ? ({ sync: 'full' } as const)
      : ({ sync: 'bitmap', bitmap: since, 'bitmap-mode': 'never' } as const);
  all.push({
    type: 'blockdev-backup',
    data: {
      ...{ 'job-id': job, device: image, target: node, speed, 'auto-dismiss': false },
      ...{ 'on-source-error': 'report', 'on-target-error': 'report' },
      ...what,
    },
  });
  // The disk is at rest from here to the end of the transaction. What was under way in its I/O thread before counts too.
  if (since !== undefined) all.push(merge({ node: image, name: next }));
  return all;
}

const LOOK_MS = 200;

/**
 * Waits until all disks are copied, and takes the copies from QEMU. Other verbs may work on the VM meanwhile.
 * @throws ProvisionerError when QEMU could not, or ended.
 */
export async function finishJobs(
  host: RootContext,
  files: VmFiles,
  fleeces: readonly Fleece[],
): Promise<void> {
  const qemu = processesOf(files);
  for (;;) {
    assertRoomLeft(files, 'backup');
    const found = await patiently(host, qemu, files.probe, async (qmp) => ({
      jobs: await qmp.execute('query-jobs'),
      status: (await qmp.execute('query-status')).status,
    }));
    const jobs = fleeces.map(({ job }) => found.jobs.find(({ id }) => id === job));
    if (jobs.includes(undefined)) throw ended();
    const failed = jobs.find((job) => job?.error !== undefined)?.error;
    if (failed === undefined && jobs.every((job) => job?.status === 'concluded')) break;
    // What the guest overwrites found no place: giving up lets it go on.
    const isHalted = found.status === 'io-error';
    // The disk may have filled up since it was looked at.
    if (failed !== undefined || isHalted) assertRoomLeft(files, 'backup');
    if (failed !== undefined)
      throw new ProvisionerError(`QEMU could not copy the disks: ${failed}`, {
        hint: /space/i.test(failed) ? 'make room in the state directory' : undefined,
      });
    if (isHalted)
      throw new ProvisionerError('the guest was halted by a failed write while it was backed up', {
        hint: 'blockhost-qemu explain says which disk, and why; mend that and try again',
      });
    await sleep(LOOK_MS, host.signal);
  }
  await patiently(host, qemu, files.qmp, (qmp) => removeJobs(qmp, fleeces));
}

/** Ends what there is of the jobs, and takes their images from QEMU. */
export async function removeJobs(qmp: QmpClient, fleeces: readonly Fleece[]): Promise<void> {
  const names = new Set(fleeces.map(({ job }) => job));
  const cancelled = new Set<string>();
  const none = async (): Promise<true | undefined> => {
    const jobs = (await qmp.execute('query-jobs')).filter(({ id }) => names.has(id));
    for (const { id, status } of jobs) {
      if (status === 'concluded') await qmp.execute('job-dismiss', { id });
      else if (!cancelled.has(id)) {
        cancelled.add(id);
        // It may have concluded in between.
        await qmp.execute('job-cancel', { id }).catch(() => undefined);
      }
    }
    return jobs.length === 0 ? true : undefined;
  };
  if ((await poll(none, { deadlineMs: CANCEL_MS, everyMs: 10 })) === undefined)
    throw new ProvisionerError('QEMU does not give up copying the disks');
  const nodes = await qmp.execute('query-named-block-nodes', { flat: true });
  for (const { node } of fleeces)
    if (nodes.some((one) => one['node-name'] === node))
      await qmp.execute('blockdev-del', { 'node-name': node });
}

const CANCEL_MS = 30_000;
/** A QEMU whose monitor others use, or whose CPU time is limited. */
const PATIENCE_MS = 60_000;

async function patiently<T>(
  host: RootContext,
  qemu: readonly ProcessIdentity[],
  socket: string,
  work: (qmp: QmpClient) => Promise<T>,
): Promise<T> {
  const end = monotonicMs() + PATIENCE_MS;
  for (;;) {
    host.signal.throwIfAborted();
    try {
      const result = await withQmp(socket, work, { signal: host.signal });
      // Another one may have been started meanwhile.
      if (!qemu.some(isRunning)) throw ended();
      return result;
    } catch (error) {
      host.signal.throwIfAborted();
      if (!qemu.some(isRunning)) throw ended();
      const again = error instanceof QmpTimeoutError || error instanceof QmpGoneError;
      if (!again || monotonicMs() > end) throw error;
      host.verbose(`QMP: ${messageOf(error)}`);
    }
    await sleep(LOOK_MS, host.signal);
  }
}

function ended(): ProvisionerError {
  return new ProvisionerError('QEMU ended while its disks were backed up');
}
