import * as z from 'zod/mini';
import { readIo } from '../cgroups/io.ts';
import { readMemory } from '../cgroups/memory.ts';
import { readPids } from '../cgroups/pids.ts';
import { readPressure } from '../cgroups/pressure.ts';
import type { HostReader } from './host-reader.ts';

const known = z.nullable(z.number());

/** What goes beyond the contract, from the host. Null: this host, this accelerator, or this moment does not tell. */
export const HostExtras = z.object({
  /** Counter, s: the VM was held back by its CPU limit. */
  cpu_throttled_seconds: known,
  /** Counter, s: the vCPUs were ready to run and waited for a CPU of the host; the guest sees it as steal. */
  cpu_run_delay_seconds: known,
  /** Counters, s: some process of the VM waited for the resource. */
  cpu_pressure_seconds: known,
  memory_pressure_seconds: known,
  io_pressure_seconds: known,
  /** Instants, % of the last 10 s. */
  cpu_pressure_percent: known,
  memory_pressure_percent: known,
  io_pressure_percent: known,
  /** Instant, bytes charged to the VM on the host, page cache included. */
  host_memory_bytes: known,
  /** Instant, bytes of it that no file backs. */
  host_memory_anonymous_bytes: known,
  /** Counter: processes of the VM killed for want of memory. */
  oom_kills: known,
  /** Counters, bytes the VM's processes read from and wrote to block devices of the host. */
  host_io_read_bytes: known,
  host_io_written_bytes: known,
  /** Instant: processes and threads. */
  threads: known,
});
export type HostExtras = z.infer<typeof HostExtras>;

export const NO_HOST_EXTRAS: Readonly<HostExtras> = {
  cpu_throttled_seconds: null,
  cpu_run_delay_seconds: null,
  cpu_pressure_seconds: null,
  memory_pressure_seconds: null,
  io_pressure_seconds: null,
  cpu_pressure_percent: null,
  memory_pressure_percent: null,
  io_pressure_percent: null,
  host_memory_bytes: null,
  host_memory_anonymous_bytes: null,
  oom_kills: null,
  host_io_read_bytes: null,
  host_io_written_bytes: null,
  threads: null,
};

/** All but what is read with every sample anyway. */
export function readHostExtras(
  { cgroup }: HostReader,
  runDelayNs: number | null,
): Omit<HostExtras, 'cpu_throttled_seconds'> {
  const extras = { ...NO_HOST_EXTRAS, cpu_run_delay_seconds: scaled(runDelayNs, 1e9) };
  if (cgroup === undefined) return extras;
  for (const resource of ['cpu', 'memory', 'io'] as const) {
    const pressure = readPressure(cgroup, resource);
    extras[`${resource}_pressure_seconds`] = scaled(pressure?.totalUsec ?? null, 1e6);
    extras[`${resource}_pressure_percent`] = pressure?.percent10s ?? null;
  }
  const [memory, io] = [readMemory(cgroup), readIo(cgroup)];
  extras.host_memory_bytes = memory?.currentBytes ?? null;
  extras.host_memory_anonymous_bytes = memory?.anonymousBytes ?? null;
  extras.oom_kills = memory?.oomKills ?? null;
  extras.host_io_read_bytes = io?.readBytes ?? null;
  extras.host_io_written_bytes = io?.writtenBytes ?? null;
  extras.threads = readPids(cgroup)?.current ?? null;
  return extras;
}

export function scaled(value: number | null, unit: number): number | null {
  return value === null ? null : value / unit;
}
