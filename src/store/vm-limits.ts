import * as z from 'zod/mini';

/** Least and greatest value of each limit. What is absent is not limited; 1024 shares are the default. */
export const LIMIT_RANGES = {
  /** Weight against other VMs when CPU time is scarce. */
  cpu_shares: [1, 10_000],
  /** Percent of the VM's vCPUs. */
  cpu_quota: [1, 100],
  /** kbit/s, as the guest sees the direction. */
  bandwidth_in: [1, 100_000_000],
  bandwidth_out: [1, 100_000_000],
  /** kbit that may go at full speed after a pause, each direction. The kernel counts its bytes in 32 bits. */
  bandwidth_burst: [1, 34_359_738],
  /** Operations per second. */
  iops_read: [1, 10_000_000],
  iops_write: [1, 10_000_000],
  /** Operations per second that are allowed for `iops_burst_seconds` after a pause. */
  iops_burst: [1, 10_000_000],
  iops_burst_seconds: [1, 3600],
  /** Bytes per second. */
  bps_read: [1, 1_000_000_000_000],
  bps_write: [1, 1_000_000_000_000],
} as const satisfies Record<string, readonly [number, number]>;

export type LimitKey = keyof typeof LIMIT_RANGES;

export const LIMIT_KEYS = Object.keys(LIMIT_RANGES) as LimitKey[];

const limit = (key: LimitKey): z.ZodMiniOptional<z.ZodMiniNumber> =>
  z.optional(z.int().check(z.gte(LIMIT_RANGES[key][0]), z.lte(LIMIT_RANGES[key][1])));

/** What a VM may use at most. */
export const VmLimits = z.strictObject({
  cpu_shares: limit('cpu_shares'),
  cpu_quota: limit('cpu_quota'),
  bandwidth_in: limit('bandwidth_in'),
  bandwidth_out: limit('bandwidth_out'),
  bandwidth_burst: limit('bandwidth_burst'),
  iops_read: limit('iops_read'),
  iops_write: limit('iops_write'),
  iops_burst: limit('iops_burst'),
  iops_burst_seconds: limit('iops_burst_seconds'),
  bps_read: limit('bps_read'),
  bps_write: limit('bps_write'),
});
export type VmLimits = { [K in LimitKey]?: number | undefined };

/** When each of a VM's limits got its value, ISO 8601. */
export const LimitTimes = z.partialRecord(z.enum(LIMIT_KEYS), z.string());
export type LimitTimes = Partial<Record<LimitKey, string>>;
