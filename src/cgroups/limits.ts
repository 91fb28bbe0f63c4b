/** Limits of a cgroup v2 as its files say (cgroup-v2.rst of the kernel). */
export interface IoMax {
  rbps?: number | undefined;
  wbps?: number | undefined;
  riops?: number | undefined;
  wiops?: number | undefined;
}

/** cpu.max: quota and period in µs. @returns CPUs' worth of time, undefined for `max`. */
export function parseCpuMax(text: string): number | undefined {
  const [quota, period] = text.trim().split(' ');
  return quota === 'max' ? undefined : Number(quota) / Number(period);
}

/** io.max, a line per device: `8:0 rbps=max wbps=1000 riops=max wiops=max`. Keyed by `8:0`. */
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
