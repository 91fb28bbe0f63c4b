import * as path from 'node:path';
import { ProvisionerError } from '../errors.ts';
import { readFileIfExists } from '../host/files.ts';
import type { Paths } from '../host/paths.ts';
import { ageSeconds, readProcessStat } from '../host/process.ts';
import { monotonicMs } from '../host/time.ts';
import { isAgentOpen } from '../qmp/agent/is-open.ts';
import { readBalloonStats } from '../qmp/balloon.ts';
import { QmpClient } from '../qmp/client.ts';
import { machineState } from '../qmp/run-state.ts';
import { type Incarnation, runningIncarnation } from '../store/incarnation.ts';
import { readVmConfig, type VmConfig } from '../store/vm-config.ts';
import { DEVICE, DISK_QDEV, type VmName } from '../types.ts';
import { type AgentReadings, readAgent } from './agent-readings.ts';
import { type Counters, keepSample, ratesBetween, readSample, type Sample } from './counters.ts';
import { usedMemory } from './guest-memory.ts';
import { type MetricsRecord, type Readings, toRecord } from './record.ts';

/** The host monitor has no timeout of its own: one call for a VM that hangs may not hold it up. */
const QMP_DEADLINE_MS = 800;
const AGENT_DEADLINE_MS = 600;

/**
 * Takes one sample of a VM, and the rates since the sample of the call before.
 * @throws NotFoundError for an unknown VM, ProvisionerError when QEMU does not answer in time.
 */
export async function sampleVm(paths: Paths, name: VmName): Promise<MetricsRecord> {
  const files = paths.vm(name);
  const config = readVmConfig(name, files);
  const incarnation = runningIncarnation(files);
  if (incarnation === undefined) return toRecord(stoppedReadings(config));
  const host = hostCounters(incarnation, config);
  const fromQemu = await askQemu(files.stat, name);
  const agent = await askAgent(files.agent, config, fromQemu);
  const now: Sample = {
    incarnation: `${incarnation.bootId}/${incarnation.pid}/${incarnation.startTime}`,
    atMs: host.atMs,
    counters: { ...host.counters, ...fromQemu.disk, ...netCounters(config, agent) },
  };
  const file = paths.metricsSample(name);
  const rates = ratesBetween(readSample(file), now);
  keepSample(file, now);
  return toRecord({
    ...stoppedReadings(config),
    state: fromQemu.state,
    memoryUsedBytes: fromQemu.memoryUsedBytes,
    diskUsedBytes: agent.diskUsedBytes,
    connections: agent.connections,
    agentResponsive: agent.responsive,
    uptimeSeconds: ageSeconds(incarnation),
    rates,
  });
}

function stoppedReadings(config: VmConfig): Readings {
  return {
    state: 'stopped',
    vcpus: config.vcpus,
    memoryTotalMb: config.memory_mb,
    diskTotalBytes: config.disk_bytes,
    memoryUsedBytes: null,
    diskUsedBytes: null,
    connections: null,
    agentResponsive: false,
    uptimeSeconds: 0,
    rates: null,
  };
}

function hostCounters(
  incarnation: Incarnation,
  config: VmConfig,
): { atMs: number; counters: Counters } {
  const tap = config.network.mode === 'bridge' ? config.network.tap : undefined;
  return {
    // CLOCK_MONOTONIC: the same for every process of this boot, and never set back.
    atMs: Number(process.hrtime.bigint() / 1_000_000n),
    counters: {
      cpuTicks: readProcessStat(incarnation.pid)?.cpuTicks ?? null,
      diskReads: null,
      diskWrites: null,
      diskReadBytes: null,
      diskWriteBytes: null,
      // What the host sends into the tap is what the guest receives.
      netRxBytes: tapStatistic(tap, 'tx_bytes'),
      netTxBytes: tapStatistic(tap, 'rx_bytes'),
    },
  };
}

function tapStatistic(tap: string | undefined, counter: string): number | null {
  if (tap === undefined) return null;
  const text = readFileIfExists(path.join('/sys/class/net', tap, 'statistics', counter));
  return text === undefined ? null : Number(text);
}

interface QemuReadings {
  state: Readings['state'];
  disk: Pick<Counters, 'diskReads' | 'diskWrites' | 'diskReadBytes' | 'diskWriteBytes'>;
  memoryUsedBytes: number | null;
  agentOpen: boolean;
}

async function askQemu(socket: string, name: VmName): Promise<QemuReadings> {
  const end = monotonicMs() + QMP_DEADLINE_MS;
  const options = (): { deadlineMs: number } => ({ deadlineMs: Math.max(1, end - monotonicMs()) });
  let qmp: QmpClient | undefined;
  try {
    qmp = await QmpClient.connect(socket, options());
    const balloon = `/machine/peripheral/${DEVICE.balloon}`;
    const [status, blocks, memory, agentOpen] = await Promise.all([
      qmp.execute('query-status', undefined, options()),
      qmp.execute('query-blockstats', undefined, options()),
      readBalloonStats(qmp, balloon, options()).catch(() => undefined),
      isAgentOpen(qmp, options()),
    ]);
    const stats = blocks.find(({ qdev }) => qdev === DISK_QDEV)?.stats;
    return {
      state: machineState(status.status),
      disk: {
        diskReads: stats?.rd_operations ?? null,
        diskWrites: stats?.wr_operations ?? null,
        diskReadBytes: stats?.rd_bytes ?? null,
        diskWriteBytes: stats?.wr_bytes ?? null,
      },
      memoryUsedBytes: memory === undefined ? null : usedMemory(memory),
      agentOpen,
    };
  } catch (cause) {
    throw new ProvisionerError(`VM ${name}: QEMU does not answer`, {
      hint: 'try again; kill ends it if it hangs',
      cause,
    });
  } finally {
    await qmp?.close();
  }
}

async function askAgent(
  socket: string,
  config: VmConfig,
  { state, agentOpen }: QemuReadings,
): Promise<AgentReadings> {
  const askNet = config.network.mode === 'user';
  const deadlineMs = agentOpen && state === 'running' ? AGENT_DEADLINE_MS : 0;
  return await readAgent({ socket, mac: config.mac, askNet, deadlineMs });
}

function netCounters(
  config: VmConfig,
  { net }: AgentReadings,
): Partial<Pick<Counters, 'netRxBytes' | 'netTxBytes'>> {
  // QEMU's user network keeps no count, so there the guest's own has to do.
  if (config.network.mode !== 'user' || net === null) return {};
  return { netRxBytes: net.rxBytes, netTxBytes: net.txBytes };
}
