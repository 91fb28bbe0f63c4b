import * as z from 'zod/mini';
import { nothing, type Schema, schemasOf } from '../transport/import.ts';
import type { CommandName } from './arguments.ts';

/** Not z.int(): QEMU counts in 64 bits, and beyond 2^53 a rounded number is still the right one to show. */
const count = z.number().check(z.nonnegative());
const text = z.string();
const flag = z.boolean();

const blockNode = () =>
  z.object({
    'node-name': z.optional(text),
    drv: text,
    ro: flag,
    image: z.object({
      filename: text,
      format: text,
      'virtual-size': count,
      'actual-size': z.optional(count),
    }),
    'dirty-bitmaps': z.optional(
      z.array(
        z.object({
          name: z.optional(text),
          /** Bytes that are marked. */
          count,
          /** QEMU was killed while it recorded: what was written is not known. */
          inconsistent: z.optional(flag),
        }),
      ),
    ),
  });

const blockStats = () =>
  z.object({
    rd_bytes: count,
    wr_bytes: count,
    rd_operations: count,
    wr_operations: count,
    flush_operations: count,
    rd_total_time_ns: count,
    wr_total_time_ns: count,
    flush_total_time_ns: count,
    failed_rd_operations: z.optional(count),
    failed_wr_operations: z.optional(count),
  });

/** What is read of each command's result; fields not named here are dropped. Made when first needed. */
export const commandResults = {
  'query-status': () => z.object({ status: text, running: flag }),
  'query-version': () =>
    z.object({
      qemu: z.object({ major: count, minor: count, micro: count }),
      package: text,
    }),
  'query-block': () =>
    z.array(
      z.object({
        device: text,
        qdev: z.optional(text),
        /** Stays at "nospace" after the cause is gone: judge by query-status. */
        'io-status': z.optional(text),
        inserted: z.optional(blockNode()),
      }),
    ),
  'query-blockstats': () =>
    z.array(
      z.object({
        /** Empty for disks given by -blockdev; `qdev` tells them apart. */
        device: z.optional(text),
        qdev: z.optional(text),
        'node-name': z.optional(text),
        stats: blockStats(),
      }),
    ),
  'query-chardev': () => z.array(z.object({ label: text, filename: text, 'frontend-open': flag })),
  'query-balloon': () => z.object({ actual: count }),
  'query-cpus-fast': () =>
    z.array(z.object({ 'cpu-index': count, 'thread-id': count, 'qom-path': text })),
  'query-named-block-nodes': () => z.array(blockNode()),
  'query-jobs': () =>
    z.array(
      z.object({
        id: text,
        type: text,
        status: text,
        'current-progress': count,
        'total-progress': count,
        error: z.optional(text),
      }),
    ),
  'query-stats': () =>
    z.array(
      z.object({
        provider: text,
        'qom-path': z.optional(text),
        stats: z.array(
          z.object({ name: text, value: z.union([z.number(), flag, z.array(z.number())]) }),
        ),
      }),
    ),
  stop: () => nothing,
  cont: () => nothing,
  quit: () => nothing,
  system_powerdown: () => nothing,
  system_reset: () => nothing,
  balloon: () => nothing,
  'qom-list': () => z.array(z.object({ name: text, type: text })),
  'qom-get': () => z.unknown(),
  'qom-set': () => nothing,
  block_set_io_throttle: () => nothing,
  block_resize: () => nothing,
  'blockdev-snapshot-internal-sync': () => nothing,
  'blockdev-snapshot-delete-internal-sync': () => z.object({ id: text, name: text }),
  'blockdev-add': () => nothing,
  'blockdev-del': () => nothing,
  transaction: () => nothing,
  device_add: () => nothing,
  device_del: () => nothing,
  'chardev-change': () => z.object({ pty: z.optional(text) }),
  'ringbuf-read': () => text,
  'job-cancel': () => nothing,
  'job-dismiss': () => nothing,
} satisfies Record<CommandName, () => Schema>;

export const resultSchema = schemasOf<CommandName>(commandResults);

export type CommandResult<N extends CommandName> = z.output<ReturnType<(typeof commandResults)[N]>>;
