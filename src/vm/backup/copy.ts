import type { BackupWriter } from '../../image/backup/writer.ts';
import { ALLOCATION, type NbdClient, ZERO } from '../../nbd/client.ts';

const PIECE = 1024 * 1024;
const ZEROES = Buffer.alloc(PIECE);
const DIRTY = 1;

/** The metadata context that shows a bitmap. */
export function dirtyContext(bitmap: string): string {
  return `qemu:dirty-bitmap:${bitmap}`;
}

export function contextsFor(bitmap: string | undefined): string[] {
  return bitmap === undefined ? [ALLOCATION] : [ALLOCATION, dirtyContext(bitmap)];
}

export interface CopyOptions {
  /** Number of the disk in the backup. */
  disk: number;
  /** Only what it marks. */
  since: string | undefined;
  /** Called before each piece; throws to end the copying. */
  onPiece(): void;
}

/**
 * Copies a disk into a backup. In a complete one zeroes are left out, since a restored disk begins as zeroes; in an
 * incremental one they are told.
 */
export async function copyDisk(
  client: NbdClient,
  writer: BackupWriter,
  { disk, since, onPiece }: CopyOptions,
): Promise<void> {
  const context = since === undefined ? undefined : dirtyContext(since);
  const zero = async (offset: number, length: number): Promise<void> => {
    if (since !== undefined) await writer.zero(disk, offset, length);
  };
  for await (const { offset, length, flags } of client.extents()) {
    if (context !== undefined && ((flags[context] ?? DIRTY) & DIRTY) === 0) continue;
    if (((flags[ALLOCATION] ?? 0) & ZERO) !== 0) {
      await zero(offset, length);
      continue;
    }
    for (let at = 0; at < length; at += PIECE) {
      onPiece();
      const size = Math.min(PIECE, length - at);
      const bytes = await client.read(offset + at, size);
      if (bytes.equals(ZEROES.subarray(0, size))) await zero(offset + at, size);
      else await writer.data(disk, offset + at, bytes);
    }
  }
}
