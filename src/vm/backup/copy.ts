import { ProvisionerError } from '../../errors.ts';
import type { BackupWriter } from '../../image/backup/writer.ts';
import { ALLOCATION, type NbdClient, ZERO } from '../../nbd/client.ts';
import type { VmName } from '../../types.ts';
import type { VmDisk } from '../disk-chains.ts';
import type { RootContext } from '../host.ts';
import type { Plan } from './plan.ts';
import { withServedImage } from './served-image.ts';

const PIECE = 1024 * 1024;
const ZEROES = Buffer.alloc(PIECE);
const DIRTY = 1;

/**
 * Copies the disks from images that nothing has open: all, or what the bitmap `since` marks.
 * @throws ProvisionerError when an image has another size than the header says: it could not be restored.
 */
export async function copyDisks(
  host: RootContext,
  name: VmName,
  writer: BackupWriter,
  sources: readonly Pick<VmDisk, 'node' | 'chain'>[],
  { since, header }: Pick<Plan, 'since' | 'header'>,
): Promise<void> {
  for (const [disk, source] of sources.entries()) {
    const options = { writable: false, bitmap: since, contexts: contextsFor(since) };
    const onPiece = (): void => host.signal.throwIfAborted();
    await withServedImage(host, name, source, options, async (client) => {
      const wanted = header.disks[disk]?.bytes;
      // Nobody but the guest's QEMU writes to the image, and that may not be ours any more.
      if (client.bytes !== wanted)
        throw new ProvisionerError(
          `VM ${name}: its disk ${source.node} has ${client.bytes} bytes, not ${wanted} as vm.json says`,
          { hint: 'give the disk its size back by qemu-img resize' },
        );
      await copyDisk(client, writer, { disk, since, onPiece });
    });
  }
}

/** The metadata context that shows a bitmap. */
function dirtyContext(bitmap: string): string {
  return `qemu:dirty-bitmap:${bitmap}`;
}

function contextsFor(bitmap: string | undefined): string[] {
  return bitmap === undefined ? [ALLOCATION] : [ALLOCATION, dirtyContext(bitmap)];
}

interface CopyOptions {
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
async function copyDisk(
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
