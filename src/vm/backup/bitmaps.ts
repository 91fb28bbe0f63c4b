import * as z from 'zod/mini';
import { type DiskChain, imageName, qemuImg } from '../../image/snapshots.ts';
import type { VmDisk } from '../disk-chains.ts';
import type { Backups } from './record.ts';

/** A dirty bitmap of ours in a disk: what was written since the backup of that id. */
export interface Bitmap {
  name: string;
  /** QEMU did not end properly: what was written is not known. */
  broken: boolean;
  /** It notes nothing while a VM runs; of a disk that nothing has open. */
  disabled?: boolean;
  /** Bytes that are marked; of a VM that runs. */
  bytes?: number;
}

/** One bit for 64 KiB, the size of a cluster. */
export const GRANULARITY = 65_536;
export const OURS = /^backup-[0-9a-f-]{36}$/;

export function bitmapName(id: string): string {
  return `backup-${id}`;
}

const Info = z.object({
  'format-specific': z.object({
    data: z.object({
      bitmaps: z.optional(z.array(z.object({ name: z.string(), flags: z.array(z.string()) }))),
    }),
  }),
});

/** Of disks that nothing has open. */
export function restingBitmaps(disks: readonly VmDisk[]): Promise<Bitmap[][]> {
  return Promise.all(
    disks.map(async ({ chain }) => {
      const { stdout } = await qemuImg(chain, ['info', '--output=json', '-f', 'qcow2', chain.file]);
      const { bitmaps = [] } = z.parse(Info, JSON.parse(stdout))['format-specific'].data;
      return bitmaps
        .map(({ name, flags }) => ({
          ...{ name, broken: flags.includes('in-use') },
          disabled: !flags.includes('auto'),
        }))
        .filter(({ name }) => OURS.test(name));
    }),
  );
}

export interface Settlement {
  /** The bitmap that stays. */
  keep: string | undefined;
  /** It has to be made to go on. */
  enable: boolean;
  /** What was written while a backup was made that came to nothing: goes into `keep`. */
  merge: string[];
  remove: string[];
}

/**
 * What becomes of a disk's bitmaps when no backup is under way. The one of the last backup stays if all is known that
 * was written since.
 */
export function settlementOf(found: readonly Bitmap[], backups: Backups | undefined): Settlement {
  const last = backups === undefined ? '' : bitmapName(backups.last.id);
  const old = backups?.superseded === undefined ? '' : bitmapName(backups.superseded);
  const others = found.filter(({ name }) => name !== last);
  const pending = others.filter(({ name }) => name !== old);
  const kept = found.find(({ name }) => name === last);
  const whole = kept?.broken === false && pending.every(({ broken }) => !broken);
  const remove = (whole ? others : found).map(({ name }) => name);
  return whole
    ? { keep: last, enable: kept.disabled === true, merge: pending.map(({ name }) => name), remove }
    : { keep: undefined, enable: false, merge: [], remove };
}

/** Whether the image has to be written to. */
export function isSettled({ enable, remove }: Settlement): boolean {
  return !enable && remove.length === 0;
}

export async function settleResting(
  { chain }: VmDisk,
  { keep, enable, merge, remove }: Settlement,
): Promise<void> {
  if (keep !== undefined) {
    for (const name of merge) await changeBitmap(chain, ['--merge', name], keep);
    if (enable) await changeBitmap(chain, ['--enable'], keep);
  }
  for (const name of remove) await changeBitmap(chain, ['--remove'], name);
}

/** The next backup has to be a complete one. Of disks that nothing has open. */
export async function forgetBitmaps(disks: readonly VmDisk[]): Promise<void> {
  const bitmaps = await restingBitmaps(disks);
  for (const [index, disk] of disks.entries())
    await settleResting(disk, settlementOf(bitmaps[index] ?? [], undefined));
}

/** Of a disk that nothing has open. */
export async function addBitmap({ chain }: VmDisk, name: string): Promise<void> {
  await changeBitmap(chain, ['--add', '-g', String(GRANULARITY)], name);
}

async function changeBitmap(
  { file, become }: DiskChain,
  action: readonly string[],
  name: string,
): Promise<void> {
  // Without its layers below: a bitmap is in the image itself.
  await qemuImg({ file, become }, ['bitmap', ...action, imageName({ file, become }), name]);
}
