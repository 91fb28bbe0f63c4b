import type { ThreadTimes } from '../host/threads.ts';

/** What the host has given a QEMU so far. */
export interface CpuTimes {
  /** Of monotonicMs(). */
  atMs: number;
  threads: ReadonlyMap<string, ThreadTimes>;
  /** How long its cgroup was held back by its limit, µs; null where it has none. */
  throttledUsec: number | null;
}

/** Shares of the time between two readings. */
const HARDLY_RAN = 0.05;
const WAITED = 0.5;
const HELD_BACK = 0.2;

/**
 * Whether a QEMU may be silent for want of CPU: its cgroup was held back, or of its threads that hardly ran one was
 * ready all the time, or all together waited for long. Any thread counts, since the one that answers may wait for a
 * lock that another holds.
 */
export function isStarved(before: CpuTimes, now: CpuTimes): boolean {
  const ns = (now.atMs - before.atMs) * 1e6;
  const heldBackNs = ((now.throttledUsec ?? 0) - (before.throttledUsec ?? 0)) * 1000;
  if (heldBackNs > ns * HELD_BACK) return true;
  let waitedNs = 0;
  for (const [id, thread] of now.threads) {
    const began = before.threads.get(id);
    if (began === undefined || thread.ranNs - began.ranNs > ns * HARDLY_RAN) continue;
    if (began.state === 'R' && thread.state === 'R') return true;
    waitedNs += thread.waitedNs - began.waitedNs;
  }
  return waitedNs > ns * WAITED;
}
