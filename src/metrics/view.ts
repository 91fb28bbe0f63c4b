import type { VmConfig } from '../store/vm-config.ts';
import type { Counters } from './counters.ts';
import { type HostExtras, NO_HOST_EXTRAS } from './extended.ts';
import type { Extended } from './published.ts';
import { NO_RATES, type Rates } from './rates.ts';
import { type MetricsRecord, type State, toRecord } from './record.ts';

/** What is known of a VM at one moment, in bytes and seconds; null is not known. */
export interface VmView {
  state: State;
  uptimeSeconds: number;
  rates: Readonly<Rates>;
  memoryUsedBytes: number | null;
  diskUsedBytes: number | null;
  connections: number | null;
  agentResponsive: boolean;
  extras: Readonly<HostExtras>;
  kvmExits: number | null;
  balloonBytes: number | null;
  counters: Counters | null;
  readAt: Extended['read_at'];
}

/** A VM that does not run. */
export const OFF: Readonly<VmView> = {
  state: 'stopped',
  uptimeSeconds: 0,
  rates: NO_RATES,
  memoryUsedBytes: null,
  diskUsedBytes: null,
  connections: null,
  agentResponsive: false,
  extras: NO_HOST_EXTRAS,
  kvmExits: null,
  balloonBytes: null,
  counters: null,
  readAt: { host: null, qemu: null, memory: null, agent: null, extended: null },
};

/** One that runs where its process is not seen. */
export const UNSEEN: Readonly<VmView> = { ...OFF, state: 'unknown' };

export interface Records {
  record: MetricsRecord;
  extended: Extended;
}

export function toRecords(config: VmConfig, view: Readonly<VmView>): Records {
  const record = toRecord(view, {
    vcpus: config.vcpus,
    memoryTotalMb: config.memory_mb,
    diskTotalBytes: config.disk_bytes,
  });
  // Written out: this is done for every VM every two seconds, and copying by spread costs ten times as much.
  const { extras, readAt } = view;
  const extended: Extended = {
    cpu_throttled_seconds: extras.cpu_throttled_seconds,
    cpu_run_delay_seconds: extras.cpu_run_delay_seconds,
    cpu_pressure_seconds: extras.cpu_pressure_seconds,
    memory_pressure_seconds: extras.memory_pressure_seconds,
    io_pressure_seconds: extras.io_pressure_seconds,
    cpu_pressure_percent: extras.cpu_pressure_percent,
    memory_pressure_percent: extras.memory_pressure_percent,
    io_pressure_percent: extras.io_pressure_percent,
    host_memory_bytes: extras.host_memory_bytes,
    host_memory_anonymous_bytes: extras.host_memory_anonymous_bytes,
    oom_kills: extras.oom_kills,
    host_io_read_bytes: extras.host_io_read_bytes,
    host_io_written_bytes: extras.host_io_written_bytes,
    threads: extras.threads,
    kvm_exits: view.kvmExits,
    balloon_bytes: view.balloonBytes,
    counters: view.counters,
    read_at: readAt,
  };
  return { record, extended };
}
