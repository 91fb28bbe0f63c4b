import type { Counters } from './counters.ts';

/** Per second; `cpuPercent` in % of one CPU. */
export interface Rates {
  cpuPercent: number;
  diskReads: number;
  diskWrites: number;
  diskReadBytes: number;
  diskWrittenBytes: number;
  netRxBytes: number;
  netTxBytes: number;
}

export const NO_RATES: Readonly<Rates> = {
  cpuPercent: 0,
  diskReads: 0,
  diskWrites: 0,
  diskReadBytes: 0,
  diskWrittenBytes: 0,
  netRxBytes: 0,
  netTxBytes: 0,
};

/**
 * Change per second between two readings of the same run and the same source; 0 where there are not two.
 * A group that was not read anew keeps what `previous` says of it: seldom asked is not idle.
 */
export function ratesBetween(
  before: Counters | undefined,
  now: Counters,
  previous: Readonly<Rates> = NO_RATES,
): Rates {
  if (before === undefined || before.incarnation !== now.incarnation) return { ...NO_RATES };
  const rates: Rates = { ...previous };
  const cpu = pair(before.cpu, now.cpu);
  if (cpu !== 'unchanged') rates.cpuPercent = per(cpu, ({ usec }) => usec) / 1e4;
  const disk = pair(before.disk, now.disk);
  if (disk !== 'unchanged') {
    rates.diskReads = per(disk, ({ reads }) => reads);
    rates.diskWrites = per(disk, ({ writes }) => writes);
    rates.diskReadBytes = per(disk, ({ readBytes }) => readBytes);
    rates.diskWrittenBytes = per(disk, ({ writtenBytes }) => writtenBytes);
  }
  const net = pair(before.net, now.net);
  if (net !== 'unchanged') {
    rates.netRxBytes = per(net, ({ rxBytes }) => rxBytes);
    rates.netTxBytes = per(net, ({ txBytes }) => txBytes);
  }
  return rates;
}

interface Reading {
  atMs: number;
  source?: string;
}

type Pair<T> = { from: T; to: T; seconds: number } | undefined;

function pair<T extends Reading>(from: T | null, to: T | null): Pair<T> | 'unchanged' {
  if (from === null || to === null || from.source !== to.source) return undefined;
  const seconds = (to.atMs - from.atMs) / 1000;
  if (seconds === 0) return 'unchanged';
  return seconds > 0 ? { from, to, seconds } : undefined;
}

/** A counter that fell was reset or lied about: no rate comes from it. */
function per<T>(readings: Pair<T>, value: (reading: T) => number): number {
  if (readings === undefined) return 0;
  const change = value(readings.to) - value(readings.from);
  return change > 0 ? change / readings.seconds : 0;
}
