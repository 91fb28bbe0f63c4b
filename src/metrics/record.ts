import { MiB } from '../types.ts';
import type { Rates } from './counters.ts';

/** The contract's JSON object (contract §2.3). Every number but cpu_percent is an integer. */
export interface MetricsRecord {
  /** 0 to 100 per vCPU. */
  cpu_percent: number;
  cpu_count: number;
  memory_used_mb: number;
  memory_total_mb: number;
  /** -1: not known. */
  disk_used_mb: number;
  disk_total_mb: number;
  disk_read_iops: number;
  disk_write_iops: number;
  disk_read_bytes_sec: number;
  disk_write_bytes_sec: number;
  net_rx_bytes_sec: number;
  net_tx_bytes_sec: number;
  /** -1: not known. */
  net_connections: number;
  guest_agent_responsive: boolean;
  uptime_seconds: number;
  state: 'running' | 'paused' | 'stopped' | 'unknown';
}

export interface Readings {
  state: MetricsRecord['state'];
  vcpus: number;
  memoryTotalMb: number;
  diskTotalBytes: number;
  memoryUsedBytes: number | null;
  diskUsedBytes: number | null;
  connections: number | null;
  agentResponsive: boolean;
  uptimeSeconds: number;
  rates: Rates | null;
}

/** Puts readings into the contract's shape: units, integers, bounds, and -1 or 0 for what is not known. */
export function toRecord(readings: Readings): MetricsRecord {
  const { rates, vcpus, memoryTotalMb, diskTotalBytes } = readings;
  // Some of it is a guest's claim: beyond 2^53 JSON would turn to exponents, which readers refuse.
  const whole = (value: number | undefined): number =>
    Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.round(value ?? 0)));
  const inMb = (bytes: number): number => Math.round(bytes / MiB);
  const diskTotalMb = inMb(diskTotalBytes);
  return {
    // A clock tick is 10 ms: ticks per second are percent of one CPU.
    cpu_percent: Math.min(vcpus * 100, Math.max(0, Math.round((rates?.cpuTicks ?? 0) * 100) / 100)),
    cpu_count: vcpus,
    memory_used_mb: Math.min(memoryTotalMb, Math.max(0, inMb(readings.memoryUsedBytes ?? 0))),
    memory_total_mb: memoryTotalMb,
    disk_used_mb:
      readings.diskUsedBytes === null ? -1 : Math.min(diskTotalMb, inMb(readings.diskUsedBytes)),
    disk_total_mb: diskTotalMb,
    disk_read_iops: whole(rates?.diskReads),
    disk_write_iops: whole(rates?.diskWrites),
    disk_read_bytes_sec: whole(rates?.diskReadBytes),
    disk_write_bytes_sec: whole(rates?.diskWriteBytes),
    net_rx_bytes_sec: whole(rates?.netRxBytes),
    net_tx_bytes_sec: whole(rates?.netTxBytes),
    net_connections: readings.connections ?? -1,
    guest_agent_responsive: readings.agentResponsive,
    uptime_seconds: whole(readings.uptimeSeconds),
    state: readings.state,
  };
}
