import * as z from 'zod/mini';
import { monotonicMs } from '../host/time.ts';
import { AgentClient } from '../qmp/agent/client.ts';
import { readGuestFile } from '../qmp/agent/read-file.ts';
import type { CallOptions } from '../qmp/transport/bounded.ts';
import { monotonicNowMs } from './counters.ts';

const count = z.number().check(z.nonnegative());

/** What only the guest knows. Everything here is its own claim: bounded and optional. */
export const AgentReadings = z.object({
  responsive: z.boolean(),
  /** Bytes in use on its disk's file systems. */
  diskUsedBytes: z.nullable(count),
  /** Open TCP sockets. */
  connections: z.nullable(count),
  /** Totals of the card with the given MAC, and when they were told. */
  net: z.nullable(z.object({ atMs: z.number(), rxBytes: count, txBytes: count })),
});
export type AgentReadings = z.infer<typeof AgentReadings>;

export const SILENT: Readonly<AgentReadings> = {
  responsive: false,
  diskUsedBytes: null,
  connections: null,
  net: null,
};

export interface AgentQuestions {
  socket: string;
  mac: string;
  ask: {
    /** The card's totals: with a tap the host knows them itself. */
    net: boolean;
    diskUsed: boolean;
    connections: boolean;
  };
  /** Bound for all of it together. */
  deadlineMs: number;
}

/** A guest gets little room for talk that nobody asked for. */
const STALE_BYTES = 256 * 1024;

/** Asks the agent within the deadline; whatever does not come in time is null. Never throws. */
export async function readAgent(questions: AgentQuestions): Promise<AgentReadings> {
  const { socket, mac, ask, deadlineMs } = questions;
  const end = monotonicMs() + deadlineMs;
  const left = (): Deadline => ({ deadlineMs: Math.max(1, end - monotonicMs()) });
  let agent: AgentClient;
  try {
    agent = await AgentClient.open(socket, { ...left(), maxStaleBytes: STALE_BYTES });
  } catch {
    return SILENT;
  }
  try {
    const readings: AgentReadings = { ...SILENT, responsive: true };
    readings.net = ask.net ? await orNull(() => cardTotals(agent, mac, left())) : null;
    readings.diskUsedBytes = ask.diskUsed ? await orNull(() => diskUsed(agent, left())) : null;
    readings.connections = ask.connections ? await orNull(() => openSockets(agent, left)) : null;
    return readings;
  } finally {
    agent.close();
  }
}

type Deadline = CallOptions & { deadlineMs: number };

async function cardTotals(
  agent: AgentClient,
  mac: string,
  deadline: Deadline,
): Promise<AgentReadings['net']> {
  const interfaces = await agent.execute('guest-network-get-interfaces', undefined, deadline);
  const totals = interfaces.find(
    (card) => card['hardware-address']?.toLowerCase() === mac,
  )?.statistics;
  if (totals === undefined) return null;
  return { atMs: monotonicNowMs(), rxBytes: totals['rx-bytes'], txBytes: totals['tx-bytes'] };
}

/** File systems on real disks, each device once; the seed is no disk of the guest's. */
async function diskUsed(agent: AgentClient, deadline: Deadline): Promise<number | null> {
  const systems = await agent.execute('guest-get-fsinfo', undefined, deadline);
  const perDevice = new Map<string, number>();
  for (const system of systems) {
    if (system.type === 'iso9660' || system['used-bytes'] === undefined) continue;
    perDevice.set(system.name, system['used-bytes']);
  }
  if (perDevice.size === 0) return null;
  return [...perDevice.values()].reduce((sum, used) => sum + used, 0);
}

/** Sockets that are neither closed nor waiting out their end (proc(5), /proc/net/sockstat). */
async function openSockets(agent: AgentClient, left: () => Deadline): Promise<number | null> {
  let sum: number | null = null;
  for (const file of ['/proc/net/sockstat', '/proc/net/sockstat6']) {
    const text = await readGuestFile(agent, file, left()).catch(() => Buffer.alloc(0));
    const inUse = /^TCP6?: inuse (\d{1,9})\b/m.exec(text.toString('latin1'))?.[1];
    if (inUse !== undefined) sum = (sum ?? 0) + Number(inUse);
  }
  return sum;
}

async function orNull<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch {
    return null;
  }
}
