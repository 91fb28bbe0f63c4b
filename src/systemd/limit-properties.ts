import { run } from '../host/exec.ts';

/** 1024 shares are cgroup v2's default weight of 100; in proportion, as systemd itself maps CPUShares=. */
export function cpuWeight(shares: number): number {
  return Math.min(10_000, Math.max(1, Math.round((shares * 100) / 1024)));
}

/** Of the scope: an empty value is the property's default. @param quota percent of all vCPUs together */
export function cpuProperties(
  { shares, quota }: { shares?: number | undefined; quota?: number | undefined },
  vcpus: number,
): string[] {
  return [
    `CPUWeight=${shares === undefined ? '' : cpuWeight(shares)}`,
    `CPUQuota=${quota === undefined ? '' : `${quota * vcpus}%`}`,
  ];
}

export interface DiskLimits {
  iops_read?: number | undefined;
  iops_write?: number | undefined;
  /** Operations/s for a while after a pause; one below a rate is none. */
  iops_burst?: number | undefined;
  bps_read?: number | undefined;
  bps_write?: number | undefined;
}

/**
 * The disk's limits are QEMU's to keep. This is the fence behind, for a QEMU that no longer obeys: far enough
 * off that it never holds up what was allowed, a burst neither. One request of a guest can become 65 here (Linux asks for up to
 * 4 MiB at once, over clusters of 64 KiB, and the image's tables come on top), and a sector of 512 bytes can move a cluster of
 * data and one of the tables. `least` keeps QEMU able to end: what waits in the kernel cannot be killed.
 */
const OPERATIONS = { headroom: 80, least: 1000 };
const BYTES = { headroom: 300, least: 10_000_000 };

const IO_PROPERTIES = [
  ['IOReadIOPSMax', OPERATIONS, 'iops_read', 'iops_burst'],
  ['IOWriteIOPSMax', OPERATIONS, 'iops_write', 'iops_burst'],
  ['IOReadBandwidthMax', BYTES, 'bps_read'],
  ['IOWriteBandwidthMax', BYTES, 'bps_write'],
] as const;

/** @param device its name in /dev; without one there is nothing to set. */
export function ioProperties(limits: DiskLimits, device: string | undefined): string[] {
  if (device === undefined) return [];
  return IO_PROPERTIES.flatMap(([property, { headroom, least }, key, burst]) => {
    const limit = limits[key];
    // The empty value clears the list of devices; whatever follows is added to it.
    const cleared = `${property}=`;
    if (limit === undefined) return [cleared];
    const most = Math.max(limit, burst === undefined ? 0 : (limits[burst] ?? 0));
    return [cleared, `${property}=/dev/${device} ${Math.max(least, most * headroom)}`];
  });
}

export function setPropertyArgv(unit: string, properties: readonly string[]): string[] {
  return ['set-property', '--runtime', '--', unit, ...properties];
}

/** The manager stays the only writer of its cgroups. */
export async function setProperties(unit: string, properties: readonly string[]): Promise<void> {
  if (properties.length > 0) await run('systemctl', setPropertyArgv(unit, properties));
}
