import { monotonicMs } from '../host/time.ts';
import { AgentClient } from '../qmp/agent/client.ts';
import { readGuestFile } from '../qmp/agent/read-file.ts';

/** What only the guest knows. Everything here is its own claim: bounded and optional. */
export interface AgentReadings {
  responsive: boolean;
  /** Bytes in use on its disk's file systems. */
  diskUsedBytes: number | null;
  /** Open TCP sockets. */
  connections: number | null;
  /** Totals of the card with the given MAC. */
  net: { rxBytes: number; txBytes: number } | null;
}

const SILENT: AgentReadings = {
  responsive: false,
  diskUsedBytes: null,
  connections: null,
  net: null,
};

export interface AgentQuestions {
  socket: string;
  mac: string;
  /** Whether the card's totals are wanted: with a tap the host knows them itself. */
  askNet: boolean;
  /** Bound for all of it together. */
  deadlineMs: number;
}

/** Asks the agent within the deadline; whatever does not come in time is null. Never throws. */
export async function readAgent({
  socket,
  mac,
  askNet,
  deadlineMs,
}: AgentQuestions): Promise<AgentReadings> {
  const end = monotonicMs() + deadlineMs;
  const left = (): { deadlineMs: number } => ({ deadlineMs: Math.max(1, end - monotonicMs()) });
  let agent: AgentClient;
  try {
    agent = await AgentClient.open(socket, left());
  } catch {
    return SILENT;
  }
  try {
    const readings: AgentReadings = { ...SILENT, responsive: true };
    readings.net = askNet ? await orNull(() => cardTotals(agent, mac, left())) : null;
    readings.diskUsedBytes = await orNull(() => diskUsed(agent, left()));
    readings.connections = await orNull(() => openSockets(agent, left));
    return readings;
  } finally {
    await agent.close();
  }
}

type Deadline = { deadlineMs: number };

async function cardTotals(
  agent: AgentClient,
  mac: string,
  deadline: Deadline,
): Promise<AgentReadings['net']> {
  const interfaces = await agent.execute('guest-network-get-interfaces', undefined, deadline);
  const totals = interfaces.find(
    (card) => card['hardware-address']?.toLowerCase() === mac,
  )?.statistics;
  return totals === undefined ? null : { rxBytes: totals['rx-bytes'], txBytes: totals['tx-bytes'] };
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
    const inUse = /^TCP6?: inuse (\d{1,9})\b/m.exec(
      (await readGuestFile(agent, file, left())).toString('latin1'),
    )?.[1];
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
