import type { Cgroup } from './group.ts';

export interface CpuLimits {
  /** CPUs' worth of time; undefined is no limit. */
  cpus: number | undefined;
  /** 1 to 10000, against its siblings; 100 by default. */
  weight: number;
}

/** @returns undefined where the group has no CPU controller, and so no limit. */
export function readCpuLimits(group: Cgroup): CpuLimits | undefined {
  const [max, weight] = [group.read('cpu.max'), group.read('cpu.weight')];
  if (max === undefined || weight === undefined) return undefined;
  return { cpus: parseCpuMax(max), weight: Number.parseInt(weight, 10) };
}

/** cpu.max: quota and period in µs (cgroup-v2.rst of the kernel). */
export function parseCpuMax(text: string): number | undefined {
  const [quota, period] = text.trim().split(' ');
  return quota === 'max' ? undefined : Number(quota) / Number(period);
}
