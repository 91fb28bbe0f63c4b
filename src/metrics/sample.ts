import type { Paths, VmFiles } from '../host/paths.ts';
import { ageSeconds } from '../host/process.ts';
import { monotonicMs } from '../host/time.ts';
import { uptimeSeconds } from '../host/uptime.ts';
import { QmpClient } from '../qmp/client.ts';
import {
  ElsewhereError,
  type Incarnation,
  incarnationKey,
  runningIncarnation,
} from '../store/incarnation.ts';
import { readVmConfig, type VmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import { type AgentReadings, readAgent, SILENT } from './agent-readings.ts';
import { type Counters, type DiskCounters, monotonicNowMs } from './counters.ts';
import { readHostExtras, scaled } from './extended.ts';
import { HostReader } from './host-reader.ts';
import { type KeptSample, keepSample, readKeptSample } from './kept-sample.ts';
import { readPublished } from './published.ts';
import { NO_QEMU_EXTRAS, type QemuExtras, readQemuExtras } from './qemu-extras.ts';
import { type AgentPort, readAgentPort, readDisk, readMemory, readState } from './qemu-readings.ts';
import { ratesBetween } from './rates.ts';
import type { State } from './record.ts';
import { OFF, type Records, toRecords, UNSEEN, type VmView } from './view.ts';

/** The host monitor has no timeout of its own: one call for a VM that hangs may not hold it up. */
const DEADLINE_MS = 900;
const AGENT_DEADLINE_MS = 600;
/** What the agent said, or that it said nothing, holds so long: asking costs the caller time. */
const AGENT_HOLDS_MS = 10_000;

/**
 * Takes one sample of a VM when nobody samples all the time, with the rates since the call before.
 * A QEMU that does not answer costs what only it knows, and makes the state unknown.
 * @throws NotFoundError for an unknown VM.
 */
export async function sampleVm(
  paths: Paths,
  name: VmName,
  options: { extended?: boolean } = {},
): Promise<Records> {
  const end = monotonicMs() + DEADLINE_MS;
  const files = paths.vm(name);
  const config = readVmConfig(name, files);
  let incarnation: Incarnation | undefined;
  try {
    incarnation = runningIncarnation(files);
  } catch (error) {
    if (error instanceof ElsewhereError) return toRecords(config, UNSEEN);
    throw error;
  }
  if (incarnation === undefined) return toRecords(config, OFF);
  const reader = new HostReader(name, incarnation, config);
  try {
    const extended = options.extended ?? false;
    const view = await viewOf({ paths, name, config, incarnation, reader, extended, end });
    return toRecords(config, view ?? OFF);
  } finally {
    reader.close();
  }
}

interface Sampling {
  paths: Paths;
  name: VmName;
  config: VmConfig;
  incarnation: Incarnation;
  reader: HostReader;
  extended: boolean;
  /** On the clock of monotonicMs(). */
  end: number;
}

async function viewOf(sampling: Sampling): Promise<VmView | undefined> {
  const { paths, name, config, incarnation, reader, end } = sampling;
  const files = paths.vm(name);
  const host = reader.read();
  if (host === undefined) return undefined;
  const key = incarnationKey(incarnation);
  const qemu = await askQemu(files.probe, sampling);
  const earlier = [readKeptSample(paths.metricsSample(name)), published(paths, name)].filter(
    (sample) => sample?.counters.incarnation === key,
  );
  const before = latest(earlier);
  const agent = await askAgent(files, config, qemu, before?.agent ?? null, end);
  const counters: Counters = {
    incarnation: key,
    cpu: host.cpu,
    disk: qemu.disk,
    net: host.net ?? fromGuest(config, agent.readings),
  };
  keepSample(paths.metricsSample(name), { counters, agent });
  const now = uptimeSeconds();
  return {
    state: qemu.state,
    uptimeSeconds: ageSeconds(incarnation),
    rates: ratesBetween(before?.counters, counters),
    memoryUsedBytes: qemu.memoryUsedBytes,
    diskUsedBytes: agent.readings.diskUsedBytes,
    connections: agent.readings.connections,
    agentResponsive: agent.readings.responsive,
    extras: {
      ...readHostExtras(reader, qemu.extras.runDelayNs),
      cpu_throttled_seconds: scaled(host.throttledUsec, 1e6),
    },
    kvmExits: qemu.extras.kvmExits,
    balloonBytes: qemu.extras.balloonBytes,
    counters,
    readAt: {
      host: now,
      qemu: qemu.state === 'unknown' ? null : now,
      memory: qemu.memoryUsedBytes === null ? null : now,
      agent: now - (monotonicNowMs() - agent.atMs) / 1000,
      extended: now,
    },
  };
}

/** Statd may have ended a moment ago: what it published last is a first half of a rate. */
function published(paths: Paths, name: VmName): KeptSample | undefined {
  const counters = readPublished(paths.published(name))?.extended.counters ?? undefined;
  return counters === undefined ? undefined : { counters, agent: null };
}

function latest(samples: readonly (KeptSample | undefined)[]): KeptSample | undefined {
  const at = (sample: KeptSample | undefined): number => sample?.counters.cpu?.atMs ?? 0;
  return [...samples].sort((a, b) => at(b) - at(a))[0];
}

interface QemuReadings {
  state: State;
  disk: DiskCounters | null;
  memoryUsedBytes: number | null;
  port: AgentPort;
  extras: QemuExtras;
}

async function askQemu(
  socket: string,
  { incarnation: { pid, accel }, extended, end }: Sampling,
): Promise<QemuReadings> {
  const left = (): { deadlineMs: number } => ({ deadlineMs: Math.max(1, end - monotonicMs()) });
  let qmp: QmpClient | undefined;
  try {
    qmp = await QmpClient.connect(socket, left());
    const [state, disk, memory, port, extras] = await Promise.all([
      readState(qmp, left()),
      readDisk(qmp, left()),
      readMemory(qmp, left()),
      readAgentPort(qmp, left()),
      extended ? readQemuExtras(qmp, { pid, accel, ...left() }) : NO_QEMU_EXTRAS,
    ]);
    return { state, disk, memoryUsedBytes: memory?.usedBytes ?? null, port, extras };
  } catch {
    const port = { open: false, busy: false };
    return { state: 'unknown', disk: null, memoryUsedBytes: null, port, extras: NO_QEMU_EXTRAS };
  } finally {
    qmp?.close();
  }
}

type AgentSample = NonNullable<KeptSample['agent']>;

async function askAgent(
  files: VmFiles,
  config: VmConfig,
  { state, port }: QemuReadings,
  kept: AgentSample | null,
  end: number,
): Promise<AgentSample> {
  const now = monotonicNowMs();
  if (state !== 'running' || !port.open) return { atMs: now, readings: SILENT };
  const holds = kept !== null && now - kept.atMs < AGENT_HOLDS_MS;
  const askNet = config.network.mode === 'user';
  // Somebody else uses the agent now; a silent one was given its time by an earlier call.
  if (holds && (port.busy || !askNet || !kept.readings.responsive)) return kept;
  const readings = await readAgent({
    socket: files.agent,
    mac: config.mac,
    ask: { net: askNet, diskUsed: !holds, connections: !holds },
    deadlineMs: Math.min(AGENT_DEADLINE_MS, end - monotonicMs()),
  });
  if (!holds || !readings.responsive) return { atMs: now, readings };
  const { diskUsedBytes, connections } = kept.readings;
  return { atMs: kept.atMs, readings: { ...readings, diskUsedBytes, connections } };
}

/** QEMU's user network keeps no count, so there the guest's own has to do. */
export function fromGuest({ network }: VmConfig, { net }: AgentReadings): Counters['net'] {
  return network.mode === 'user' && net !== null ? { ...net, source: 'guest' } : null;
}
