import * as z from 'zod/mini';
import { MiB } from '../types.ts';
import type { Rates } from './rates.ts';

export const State = z.enum(['running', 'paused', 'stopped', 'unknown']);
export type State = z.infer<typeof State>;

const whole = z.int();

/** The contract's JSON object (contract §2.3). Every number but cpu_percent is an integer. */
export const MetricsRecord = z.object({
  /** 0 to 100 per vCPU. */
  cpu_percent: z.number(),
  cpu_count: whole,
  memory_used_mb: whole,
  memory_total_mb: whole,
  /** -1: not known. */
  disk_used_mb: whole,
  disk_total_mb: whole,
  disk_read_iops: whole,
  disk_write_iops: whole,
  disk_read_bytes_sec: whole,
  disk_write_bytes_sec: whole,
  net_rx_bytes_sec: whole,
  net_tx_bytes_sec: whole,
  /** -1: not known. */
  net_connections: whole,
  guest_agent_responsive: z.boolean(),
  uptime_seconds: whole,
  /** `unknown`: QEMU is alive but does not answer. */
  state: State,
});
export type MetricsRecord = z.infer<typeof MetricsRecord>;

/** What the VM was given. */
export interface Size {
  vcpus: number;
  memoryTotalMb: number;
  diskTotalBytes: number;
}

export interface Readings {
  state: State;
  memoryUsedBytes: number | null;
  diskUsedBytes: number | null;
  connections: number | null;
  agentResponsive: boolean;
  uptimeSeconds: number;
  rates: Readonly<Rates>;
}

/** Puts readings into the contract's shape: units, integers, bounds, and -1 or 0 for what is not known. */
export function toRecord(readings: Readings, size: Size): MetricsRecord {
  const { rates } = readings;
  const { vcpus, memoryTotalMb, diskTotalBytes } = size;
  const diskTotalMb = inMb(diskTotalBytes);
  const percent = Math.round(rates.cpuPercent * 100) / 100;
  return {
    cpu_percent: Math.min(vcpus * 100, Math.max(0, percent)),
    cpu_count: vcpus,
    memory_used_mb: Math.min(memoryTotalMb, Math.max(0, inMb(readings.memoryUsedBytes ?? 0))),
    memory_total_mb: memoryTotalMb,
    disk_used_mb:
      readings.diskUsedBytes === null ? -1 : Math.min(diskTotalMb, inMb(readings.diskUsedBytes)),
    disk_total_mb: diskTotalMb,
    disk_read_iops: integer(rates.diskReads),
    disk_write_iops: integer(rates.diskWrites),
    disk_read_bytes_sec: integer(rates.diskReadBytes),
    disk_write_bytes_sec: integer(rates.diskWrittenBytes),
    net_rx_bytes_sec: integer(rates.netRxBytes),
    net_tx_bytes_sec: integer(rates.netTxBytes),
    net_connections: readings.connections === null ? -1 : integer(readings.connections),
    guest_agent_responsive: readings.agentResponsive,
    uptime_seconds: integer(readings.uptimeSeconds),
    state: readings.state,
  };
}

/** Some of it is a guest's claim: beyond 2^53 JSON would turn to exponents, which readers refuse. */
function integer(value: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.round(value)));
}

function inMb(bytes: number): number {
  return Math.round(bytes / MiB);
}
