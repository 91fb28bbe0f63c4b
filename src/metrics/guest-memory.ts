import * as z from 'zod/mini';

/**
 * `guest-stats` of virtio-balloon (QEMU, docs/interop/virtio-balloon-stats.rst), in bytes. A value the
 * guest has not sent is 2^64-1, which JSON gives as a number far beyond any memory.
 */
const Statistics = z.object({
  stats: z.object({
    'stat-total-memory': z.optional(z.number()),
    'stat-available-memory': z.optional(z.number()),
    'stat-free-memory': z.optional(z.number()),
  }),
});

/** More than any machine has: the sign for "not sent". */
const ABSENT = 2 ** 60;

/** Bytes the guest uses and could not give back, or null when its driver has sent nothing yet. */
export function usedMemory(guestStats: unknown): number | null {
  const result = z.safeParse(Statistics, guestStats);
  if (!result.success) return null;
  const read = (key: keyof typeof result.data.stats): number | undefined => {
    const value = result.data.stats[key];
    return value === undefined || value < 0 || value >= ABSENT ? undefined : value;
  };
  const total = read('stat-total-memory');
  const available = read('stat-available-memory') ?? read('stat-free-memory');
  if (total === undefined || available === undefined || available > total) return null;
  return total - available;
}
