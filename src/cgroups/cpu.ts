import { keyed } from './flat-keyed.ts';
import type { Cgroup } from './group.ts';

/** Counters since the cgroup was made; null where the kernel does not say. */
export interface CpuStat {
  /** CPU time of all its processes, µs. */
  usageUsec: number | null;
  /** How long its processes were held back by cpu.max, µs. */
  throttledUsec: number | null;
}

export function readCpu(group: Cgroup): CpuStat | undefined {
  const text = group.readKept('cpu.stat');
  if (text === undefined) return undefined;
  return { usageUsec: keyed(text, 'usage_usec'), throttledUsec: keyed(text, 'throttled_usec') };
}
