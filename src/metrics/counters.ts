import * as fs from 'node:fs';
import * as z from 'zod/mini';
import { readFileIfExists, writeFileAtomic } from '../host/files.ts';

/**
 * Totals since QEMU's start, all growing. Bytes and operations as the guest sees them: `netRxBytes` is
 * what it received. Null is what could not be read this time: no rate is made from it.
 */
export const Counters = z.object({
  /** User and system time of the QEMU process, in clock ticks of 10 ms. */
  cpuTicks: z.nullable(z.number()),
  diskReads: z.nullable(z.number()),
  diskWrites: z.nullable(z.number()),
  diskReadBytes: z.nullable(z.number()),
  diskWriteBytes: z.nullable(z.number()),
  netRxBytes: z.nullable(z.number()),
  netTxBytes: z.nullable(z.number()),
});
export type Counters = z.infer<typeof Counters>;

const Sample = z.object({
  /** Which run of the VM: counters of another one start anew. */
  incarnation: z.string(),
  /** Monotonic clock of the host, ms since boot. */
  atMs: z.number(),
  counters: Counters,
});
export type Sample = z.infer<typeof Sample>;

/** The sample an earlier call left; a missing or a damaged one only costs the rates of this call. */
export function readSample(file: string): Sample | undefined {
  try {
    const text = readFileIfExists(file);
    const result = z.safeParse(Sample, text === undefined ? undefined : JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

/** Failing to keep it (a full disk, a foreign owner) must not fail the call. */
export function keepSample(file: string, sample: Sample): void {
  try {
    fs.mkdirSync(file.slice(0, file.lastIndexOf('/')), { recursive: true, mode: 0o755 });
    writeFileAtomic(file, JSON.stringify(sample), { mode: 0o644, sync: false });
  } catch {
    // The next call's rates will be 0.
  }
}

export type Rates = Record<keyof Counters, number>;

/** Change per second between two samples; all 0 without an earlier sample of the same run. */
export function ratesBetween(before: Sample | undefined, now: Sample): Rates {
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1000;
  const same = before?.incarnation === now.incarnation && seconds > 0;
  const per = (key: keyof Counters): number => {
    const [from, to] = [before?.counters[key] ?? null, now.counters[key]];
    return same && from !== null && to !== null && to > from ? (to - from) / seconds : 0;
  };
  return {
    cpuTicks: per('cpuTicks'),
    diskReads: per('diskReads'),
    diskWrites: per('diskWrites'),
    diskReadBytes: per('diskReadBytes'),
    diskWriteBytes: per('diskWriteBytes'),
    netRxBytes: per('netRxBytes'),
    netTxBytes: per('netTxBytes'),
  };
}
