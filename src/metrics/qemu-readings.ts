import { readBalloonStats } from '../qmp/balloon.ts';
import type { QmpClient } from '../qmp/client.ts';
import { machineState } from '../qmp/run-state.ts';
import type { CallOptions } from '../qmp/transport/bounded.ts';
import { DEVICE, DISK_QDEV } from '../types.ts';
import { type DiskCounters, monotonicNowMs } from './counters.ts';
import { usedMemory } from './guest-memory.ts';
import { orNull } from './or-null.ts';

const BALLOON = `/machine/peripheral/${DEVICE.balloon}`;

/** @throws QmpError when QEMU does not answer in time. */
export async function readDisk(qmp: QmpClient, options: CallOptions): Promise<DiskCounters | null> {
  const blocks = await orNull(qmp.execute('query-blockstats', undefined, options));
  const stats = blocks?.find(({ qdev }) => qdev === DISK_QDEV)?.stats;
  if (stats === undefined) return null;
  return {
    atMs: monotonicNowMs(),
    reads: stats.rd_operations,
    writes: stats.wr_operations,
    readBytes: stats.rd_bytes,
    writtenBytes: stats.wr_bytes,
  };
}

export interface MemoryReading {
  usedBytes: number;
  /** When the guest reported it, by QEMU's wall clock: good for telling one report from another only. */
  report: number;
}

/** Null until the guest's balloon driver has reported something sensible. @throws as readDisk. */
export async function readMemory(
  qmp: QmpClient,
  options: CallOptions,
): Promise<MemoryReading | null> {
  const stats = await orNull(readBalloonStats(qmp, BALLOON, options));
  const usedBytes = stats === null ? null : usedMemory(stats);
  return usedBytes === null ? null : { usedBytes, report: stats?.updatedAt ?? 0 };
}

/** Whether QEMU has paused the guest because a disk failed it: by `werror`, that is one that was full. */
export async function isWaitingForRoom(qmp: QmpClient, options: CallOptions): Promise<boolean> {
  const reply = await orNull(qmp.execute('query-status', undefined, options));
  return reply?.status === 'io-error';
}

/** @throws as readDisk. */
export async function readState(
  qmp: QmpClient,
  options: CallOptions,
): Promise<'running' | 'paused' | 'stopped' | 'unknown'> {
  const reply = await orNull(qmp.execute('query-status', undefined, options));
  return reply === null ? 'unknown' : machineState(reply.status);
}

export interface AgentPort {
  /** Something in the guest has the port open. */
  open: boolean;
  /** Some program on the host talks to the agent at this moment. */
  busy: boolean;
}

/** @throws as readDisk. */
export async function readAgentPort(qmp: QmpClient, options: CallOptions): Promise<AgentPort> {
  const chardevs = await orNull(qmp.execute('query-chardev', undefined, options));
  const port = chardevs?.find(({ label }) => label === DEVICE.agentChardev);
  // QEMU writes "disconnected:unix:…" while no client is there (chardev/char-socket.c).
  const busy = port !== undefined && !port.filename.startsWith('disconnected:');
  return { open: port?.['frontend-open'] ?? false, busy };
}
