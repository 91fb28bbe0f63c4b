import { LIMIT_KEYS, type LimitKey, type VmLimits } from '../../store/vm-limits.ts';

export interface LimitChange {
  /** 0 takes a limit away. */
  set: { [K in LimitKey]?: number | undefined };
  /** Take every limit away first. */
  reset?: boolean | undefined;
}

/** Weight of a VM of which nothing was said. */
export const DEFAULT_SHARES = 1024;

/** What is not named stays as it is. */
export function mergeLimits(current: VmLimits, change: LimitChange): VmLimits {
  const merged: VmLimits = {};
  for (const key of LIMIT_KEYS) {
    const value = change.set[key] ?? (change.reset === true ? undefined : current[key]);
    if (value !== undefined && value !== 0 && !isDefault(key, value)) merged[key] = value;
  }
  return merged;
}

/** Limits of these keys only. */
export function pickLimits(limits: VmLimits, keys: readonly LimitKey[]): VmLimits {
  const picked: VmLimits = {};
  for (const key of keys) if (limits[key] !== undefined) picked[key] = limits[key];
  return picked;
}

export function hasAny(limits: VmLimits, keys: readonly LimitKey[] = LIMIT_KEYS): boolean {
  return keys.some((key) => limits[key] !== undefined);
}

/** Bursts that are kept, but change nothing: no rate is below them. */
export function idleBursts(limits: VmLimits): LimitKey[] {
  const { iops_burst: burst = 0, iops_read, iops_write, bandwidth_in, bandwidth_out } = limits;
  const disk = [iops_read, iops_write].some((rate) => rate !== undefined && rate < burst);
  const network = bandwidth_in !== undefined || bandwidth_out !== undefined;
  const idle: LimitKey[] = [
    ...(disk ? [] : (['iops_burst', 'iops_burst_seconds'] as const)),
    ...(network ? [] : (['bandwidth_burst'] as const)),
  ];
  return idle.filter((key) => limits[key] !== undefined);
}

function isDefault(key: LimitKey, value: number): boolean {
  return key === 'cpu_shares' && value === DEFAULT_SHARES;
}
