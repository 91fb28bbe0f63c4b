import { poll, sleep } from '../../../src/host/time.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { DISK_QDEV } from '../../../src/types.ts';
import type { IoKind } from './direct-io.ts';

/** Requests that a VM's disk has done, and when this was asked, in milliseconds. */
export type DiskCount = Record<IoKind | 'at', number>;

/** @param monitor QEMU's socket to ask by */
export async function diskCount(monitor: string): Promise<DiskCount> {
  return await withQmp(monitor, async (qmp) => {
    const disks = await qmp.execute('query-blockstats');
    const stats = disks.find(({ qdev }) => qdev === DISK_QDEV)?.stats;
    if (stats === undefined) throw new Error('QEMU tells nothing of the disk');
    return { at: performance.now(), read: stats.rd_operations, write: stats.wr_operations };
  });
}

/** Requests per second that a VM's disk does, over that time. */
export async function diskRate(monitor: string, seconds: number): Promise<Record<IoKind, number>> {
  const first = await diskCount(monitor);
  await sleep(seconds * 1000);
  const last = await diskCount(monitor);
  const per = (kind: IoKind): number => ((last[kind] - first[kind]) * 1000) / (last.at - first.at);
  return { read: per('read'), write: per('write') };
}

/** Waits until requests of all these kinds get done. */
export async function diskMoves(monitor: string, kinds: readonly IoKind[]): Promise<boolean> {
  const first = await diskCount(monitor);
  const moved = async (): Promise<true | undefined> => {
    const now = await diskCount(monitor);
    return kinds.every((kind) => now[kind] - first[kind] >= MOVED) || undefined;
  };
  return (await poll(moved, { deadlineMs: 60_000, everyMs: 200 })) === true;
}

/** More than what a guest does by itself at that time. */
const MOVED = 20;
