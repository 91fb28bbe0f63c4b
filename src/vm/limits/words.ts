import { LIMIT_KEYS, type LimitKey, type VmLimits } from '../../store/vm-limits.ts';

interface Words {
  what: string;
  value(value: number): string;
  none: string;
}

const kbit = (value: number): string =>
  value >= 1000 && value % 1000 === 0 ? `${value / 1000} Mbit/s` : `${value} kbit/s`;
const bytes = (value: number): string =>
  value >= 1_000_000 && value % 1_000_000 === 0 ? `${value / 1_000_000} MB/s` : `${value} bytes/s`;

export const LIMIT_WORDS: Record<LimitKey, Words> = {
  cpu_shares: {
    what: 'CPU weight',
    value: (value) => `${value} shares (1024 is the default)`,
    none: '1024 shares, the default',
  },
  cpu_quota: {
    what: 'CPU limit',
    value: (value) => `${value} % of its vCPUs`,
    none: 'unlimited',
  },
  bandwidth_in: { what: 'bandwidth to the guest', value: kbit, none: 'unlimited' },
  bandwidth_out: { what: 'bandwidth from the guest', value: kbit, none: 'unlimited' },
  bandwidth_burst: {
    what: 'bandwidth burst',
    value: (value) => `${value} kbit`,
    none: 'follows from the rate, the default',
  },
  iops_read: {
    what: 'disk reads',
    value: (value) => `${value} operations/s`,
    none: 'unlimited',
  },
  iops_write: {
    what: 'disk writes',
    value: (value) => `${value} operations/s`,
    none: 'unlimited',
  },
  iops_burst: {
    what: 'disk burst',
    value: (value) => `${value} operations/s`,
    none: 'none',
  },
  iops_burst_seconds: {
    what: 'length of a disk burst',
    value: (value) => `${value} s`,
    none: '1 s, the default',
  },
  bps_read: { what: 'bytes read from disk', value: bytes, none: 'unlimited' },
  bps_write: { what: 'bytes written to disk', value: bytes, none: 'unlimited' },
};

/** `disk reads: 500 operations/s` */
export function limitLine(key: LimitKey, value: number | undefined): string {
  return `${LIMIT_WORDS[key].what}: ${limitValue(key, value)}`;
}

/** `500 operations/s`, or what it is without a limit. */
export function limitValue(key: LimitKey, value: number | undefined): string {
  const { value: say, none } = LIMIT_WORDS[key];
  return value === undefined ? none : say(value);
}

/** One line per limit that is another now, and per limit that was named although it stays. */
export function changedLines(
  before: VmLimits,
  after: VmLimits,
  named: readonly LimitKey[],
): string[] {
  return LIMIT_KEYS.flatMap((key) => {
    const was = before[key];
    if (was === after[key]) return named.includes(key) ? [limitLine(key, was)] : [];
    const note = was === undefined ? '' : ` (before: ${LIMIT_WORDS[key].value(was)})`;
    return [`${limitLine(key, after[key])}${note}`];
  });
}
