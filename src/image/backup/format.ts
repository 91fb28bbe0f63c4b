import * as z from 'zod/mini';

/** First line of every backup; the header follows as one line of JSON (docs/backup.md). */
export const MAGIC = 'blockhost-qemu backup 1\n';
export const MAX_HEADER_BYTES = 1024 * 1024;
/** Longest piece of a disk in one record. */
export const MAX_DATA_BYTES = 4 * 1024 * 1024;
/** Kind, disk, offset, length. */
export const RECORD_BYTES = 24;
export const KINDS = { data: 'DATA', zero: 'ZERO', end: 'DONE' } as const;

const Size = z.int().check(z.gte(1), z.lte(Number.MAX_SAFE_INTEGER));

/** What a backup says of itself. It holds no secrets: no user-data, no keys, no wallet. */
export const BackupHeader = z.object({
  id: z.uuid(),
  /** The backup that this one continues; null when it is complete in itself. */
  parent: z.nullable(z.uuid()),
  /** Of the complete one that the chain begins with. */
  chain: z.uuid(),
  /** 0 for the complete one. */
  sequence: z.int().check(z.gte(0)),
  created_at: z.iso.datetime(),
  /** Whether the guest's file systems were at rest; null when the VM was off. */
  quiesced: z.nullable(z.boolean()),
  vm: z.object({
    name: z.string(),
    uuid: z.string(),
    vcpus: z.int().check(z.gte(1), z.lte(255)),
    memory_mb: z.int().check(z.gte(32), z.lte(16_777_216)),
    username: z.string().check(z.regex(/^[a-z_][a-z0-9_-]{0,31}$/)),
    template: z.string(),
    network: z.enum(['user', 'bridge']),
  }),
  /** Sizes in bytes, the system's disk first. */
  disks: z.array(z.object({ bytes: Size })).check(z.minLength(1), z.maxLength(17)),
});
export type BackupHeader = z.infer<typeof BackupHeader>;

/** A piece of a disk; without data it reads as zeroes. */
export interface BackupRecord {
  disk: number;
  offset: number;
  length: number;
  data: Buffer | undefined;
}
