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

/** Per second; undefined is no limit. */
export interface IoMax {
  rbps?: number | undefined;
  wbps?: number | undefined;
  riops?: number | undefined;
  wiops?: number | undefined;
}

/** Keyed by the device's numbers, `8:0`. */
export function readIoMax(group: Cgroup): Map<string, IoMax> | undefined {
  const text = group.read('io.max');
  return text === undefined ? undefined : parseIoMax(text);
}

/** io.max, a line per device: `8:0 rbps=max wbps=1000 riops=max wiops=max`. */
export function parseIoMax(text: string): Map<string, IoMax> {
  const devices = new Map<string, IoMax>();
  for (const line of text.split('\n')) {
    const [device = '', ...pairs] = line.trim().split(' ');
    if (device === '') continue;
    const limits: IoMax = {};
    for (const pair of pairs) {
      const [key = '', value = ''] = pair.split('=');
      if (/^[rw](bps|iops)$/.test(key) && /^\d+$/.test(value))
        limits[key as keyof IoMax] = Number(value);
    }
    devices.set(device, limits);
  }
  return devices;
}
