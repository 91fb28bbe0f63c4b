import type { VmConfig } from '../store/vm-config.ts';
import type { Counters } from './counters.ts';
import { type HostExtras, NO_HOST_EXTRAS } from './extended.ts';
import type { FullRecord } from './published.ts';
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
  readAt: FullRecord['read_at'];
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

export interface Records {
  record: MetricsRecord;
  full: FullRecord;
}

export function toRecords(config: VmConfig, view: Readonly<VmView>): Records {
  const record = toRecord({
    ...view,
    vcpus: config.vcpus,
    memoryTotalMb: config.memory_mb,
    diskTotalBytes: config.disk_bytes,
  });
  const { extras, kvmExits, balloonBytes, counters, readAt } = view;
  return {
    record,
    full: {
      ...record,
      ...extras,
      kvm_exits: kvmExits,
      balloon_bytes: balloonBytes,
      counters,
      read_at: readAt,
    },
  };
}
