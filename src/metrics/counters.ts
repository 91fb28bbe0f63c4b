import * as z from 'zod/mini';

/** ms of the monotonic clock of the host, the same for every process of this boot. */
const atMs = z.number();
const count = z.number();

/** CPU time of QEMU since its start, µs. */
const Cpu = z.object({ atMs, source: z.enum(['cgroup', 'process']), usec: count });

/** What the guest has done to its disk since QEMU's start. */
const Disk = z.object({
  atMs,
  reads: count,
  writes: count,
  readBytes: count,
  writtenBytes: count,
});

/** What the guest has received and sent. */
const Net = z.object({ atMs, source: z.enum(['tap', 'guest']), rxBytes: count, txBytes: count });

/**
 * Growing totals of one run of a VM, each group with the moment it was read. Null is what could not be read
 * this time: no rate is made from it.
 */
export const Counters = z.object({
  /** Which run of the VM: counters of another one start anew. */
  incarnation: z.string(),
  cpu: z.nullable(Cpu),
  disk: z.nullable(Disk),
  net: z.nullable(Net),
});
export type Counters = z.infer<typeof Counters>;
export type CpuCounter = z.infer<typeof Cpu>;
export type DiskCounters = z.infer<typeof Disk>;
export type NetCounters = z.infer<typeof Net>;

export function monotonicNowMs(): number {
  // CLOCK_MONOTONIC: the same for every process of this boot, and never set back.
  return Number(process.hrtime.bigint()) / 1e6;
}
