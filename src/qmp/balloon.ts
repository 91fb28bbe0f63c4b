import * as z from 'zod/mini';
import type { QmpClient } from './client.ts';
import { QmpProtocolError } from './errors.ts';
import type { CallOptions } from './transport/bounded.ts';
import { importShape } from './transport/import.ts';

/** What the guest's balloon driver reports, in bytes. The guest can lie. */
export interface BalloonStats {
  /** Seconds since 1970 on QEMU's clock; undefined until the guest has reported once. */
  updatedAt: number | undefined;
  totalBytes: number | undefined;
  freeBytes: number | undefined;
  availableBytes: number | undefined;
  diskCacheBytes: number | undefined;
}

const PROPERTY = 'guest-stats';

/** 2^64-1, the balloon's "not reported"; nothing near it is a number of bytes either. */
const ABSENT = 2 ** 63;

const value = z.optional(z.number().check(z.nonnegative()));
const guestStats = z.object({
  'last-update': z.number(),
  stats: z.object({
    'stat-total-memory': value,
    'stat-free-memory': value,
    'stat-available-memory': value,
    'stat-disk-caches': value,
  }),
});

/** `path` is the device's, such as /machine/peripheral/balloon0. Nothing is reported until polling is on. */
export async function readBalloonStats(
  qmp: QmpClient,
  path: string,
  options: CallOptions = {},
): Promise<BalloonStats> {
  const reply = await qmp.execute('qom-get', { path, property: PROPERTY }, options);
  const imported = importShape(guestStats, reply);
  if ('mismatch' in imported)
    throw new QmpProtocolError(
      `the balloon statistics of ${path} are not as expected: ${imported.mismatch}`,
      { command: 'qom-get' },
    );
  const { stats, 'last-update': updated } = imported.value;
  return {
    updatedAt: updated > 0 ? updated : undefined,
    totalBytes: present(stats['stat-total-memory']),
    freeBytes: present(stats['stat-free-memory']),
    availableBytes: present(stats['stat-available-memory']),
    diskCacheBytes: present(stats['stat-disk-caches']),
  };
}

function present(bytes: number | undefined): number | undefined {
  return bytes === undefined || bytes >= ABSENT ? undefined : bytes;
}
