import { MiB } from '../../types.ts';
import type { State } from '../record.ts';
import type { Records } from '../view.ts';

/** One metric by Prometheus' conventions: base units in the name, counters end in _total. */
export interface Family {
  name: string;
  kind: 'counter' | 'gauge';
  help: string;
  /** Null leaves the VM out of this metric. */
  value(records: Records): number | null;
  /** Labels beside the VM's name. */
  labels?: string;
}

const mb = (value: number): number | null => (value < 0 ? null : value * MiB);

const pressure = (resource: 'cpu' | 'memory' | 'io'): Family => ({
  name: 'pressure_waiting_seconds_total',
  kind: 'counter',
  help: 'Time in which some process of the VM waited for the resource.',
  labels: `resource="${resource}"`,
  value: ({ extended }) => extended[`${resource}_pressure_seconds`],
});

const state = (word: State): Family => ({
  name: 'state',
  kind: 'gauge',
  help: 'State of the VM: 1 for the one it is in.',
  labels: `state="${word}"`,
  value: ({ record }) => (record.state === word ? 1 : 0),
});

/** Members of one family stand together. */
export const FAMILIES: readonly Family[] = [
  state('running'),
  state('paused'),
  state('stopped'),
  state('unknown'),
  gauge('uptime_seconds', 'Time since QEMU was started.', (r) => r.record.uptime_seconds),
  gauge('cpus', 'Virtual CPUs.', (r) => r.record.cpu_count),
  counter('cpu_seconds_total', 'CPU time of QEMU, guest included.', (r) =>
    scaled(r.extended.counters?.cpu?.usec, 1e6),
  ),
  counter(
    'cpu_throttled_seconds_total',
    'Time held back by the CPU limit.',
    (r) => r.extended.cpu_throttled_seconds,
  ),
  counter(
    'cpu_run_delay_seconds_total',
    'Time in which virtual CPUs waited for a CPU.',
    (r) => r.extended.cpu_run_delay_seconds,
  ),
  pressure('cpu'),
  pressure('memory'),
  pressure('io'),
  counter(
    'kvm_exits_total',
    'Times the virtual CPUs left guest mode.',
    (r) => r.extended.kvm_exits,
  ),
  gauge('memory_bytes', 'Memory of the VM.', (r) => mb(r.record.memory_total_mb)),
  gauge('memory_used_bytes', 'Memory the guest uses and cannot give back.', (r) =>
    r.extended.read_at.memory === null ? null : mb(r.record.memory_used_mb),
  ),
  gauge('balloon_bytes', 'Memory the balloon leaves the guest.', (r) => r.extended.balloon_bytes),
  gauge(
    'host_memory_bytes',
    'Memory charged to the VM on the host.',
    (r) => r.extended.host_memory_bytes,
  ),
  counter(
    'oom_kills_total',
    'Processes of the VM killed for want of memory.',
    (r) => r.extended.oom_kills,
  ),
  gauge('disk_size_bytes', 'Virtual size of the disk.', (r) => mb(r.record.disk_total_mb)),
  gauge('disk_used_bytes', "In use on the guest's file systems.", (r) => mb(r.record.disk_used_mb)),
  counter('disk_reads_completed_total', 'Reads by the guest.', (r) =>
    known(r.extended.counters?.disk?.reads),
  ),
  counter('disk_writes_completed_total', 'Writes by the guest.', (r) =>
    known(r.extended.counters?.disk?.writes),
  ),
  counter('disk_read_bytes_total', 'Read by the guest.', (r) =>
    known(r.extended.counters?.disk?.readBytes),
  ),
  counter('disk_written_bytes_total', 'Written by the guest.', (r) =>
    known(r.extended.counters?.disk?.writtenBytes),
  ),
  counter('network_receive_bytes_total', 'Received by the guest.', (r) =>
    known(r.extended.counters?.net?.rxBytes),
  ),
  counter('network_transmit_bytes_total', 'Sent by the guest.', (r) =>
    known(r.extended.counters?.net?.txBytes),
  ),
  gauge('network_connections', 'TCP sockets in use.', (r) =>
    r.record.net_connections < 0 ? null : r.record.net_connections,
  ),
  gauge('guest_agent_up', 'Whether the guest agent answers.', (r) =>
    r.record.guest_agent_responsive ? 1 : 0,
  ),
];

function counter(name: string, help: string, value: Family['value']): Family {
  return { name, kind: 'counter', help, value };
}

function gauge(name: string, help: string, value: Family['value']): Family {
  return { name, kind: 'gauge', help, value };
}

function known(value: number | undefined): number | null {
  return value ?? null;
}

function scaled(value: number | undefined, unit: number): number | null {
  return value === undefined ? null : value / unit;
}
