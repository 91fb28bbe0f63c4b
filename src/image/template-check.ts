import * as fs from 'node:fs';
import * as z from 'zod/mini';
import { errnoOf } from '../errors.ts';
import { writeFileAtomic } from '../host/files.ts';
import type { TemplateFiles } from '../host/paths.ts';
import { readValidated } from '../host/validate.ts';
import { hashFile } from './hash-file.ts';
import type { TemplateManifest } from './template-manifest.ts';

/** seen.json: what reading an image through has shown, so that the same file need not be read again. */
const Seen = z.object({
  /** Of the file that was read. */
  stamp: z.string(),
  /** What it held. */
  sha256: z.string(),
});
type Seen = z.infer<typeof Seen>;

export interface ImageCheck {
  /** Of the content; `unread` when this file has not been read through yet. */
  verdict: 'same' | 'changed' | 'unread';
  /** SHA-256 of what was published; undefined where nobody noted it. */
  wanted: string | undefined;
  found: string | undefined;
}

/**
 * Whether a template's image is still what was published, in microseconds: by size, inode and times. Nobody but the
 * kernel sets the change time, so that a write cannot be hidden by putting the modification time back.
 */
export function checkImage(files: ImageFiles, manifest: TemplateManifest): ImageCheck {
  const seen = seenOf(files);
  const wanted = digestOf(manifest);
  if (seen === undefined || seen.stamp !== stampOf(files.image))
    return { verdict: 'unread', wanted: wanted ?? seen?.sha256, found: undefined };
  const verdict = wanted === undefined || wanted === seen.sha256 ? 'same' : 'changed';
  return { verdict, wanted, found: seen.sha256 };
}

/**
 * Reads the image through. What was found is remembered; an image whose content nobody has noted counts from then on
 * as what it is now.
 */
export async function readImage(
  files: ImageFiles,
  manifest: TemplateManifest,
  signal?: AbortSignal,
): Promise<ImageCheck> {
  const { wanted } = checkImage(files, manifest);
  const stamp = stampOf(files.image);
  const found = await hashFile(files.image, 'sha256', signal);
  const same = wanted === undefined || wanted === found;
  // A file that was changed while it was read is read again; without a noted digest only the good one is kept.
  if (stampOf(files.image) === stamp && (same || digestOf(manifest) !== undefined))
    remember(files, { stamp, sha256: found });
  return { verdict: same ? 'same' : 'changed', wanted, found };
}

type ImageFiles = Pick<TemplateFiles, 'image' | 'seen'>;

/** For an image whose content is known already. */
export function rememberImage(files: ImageFiles, sha256: string): void {
  remember(files, { stamp: stampOf(files.image), sha256 });
}

/** Of the image as it was published. */
export function digestOf({
  imageSha256,
  sha256,
  source,
}: Pick<TemplateManifest, 'imageSha256' | 'sha256' | 'source'>): string | undefined {
  return imageSha256 ?? (source.kind === 'import' ? undefined : sha256);
}

function seenOf({ seen }: ImageFiles): Seen | undefined {
  try {
    return readValidated(seen, Seen);
  } catch {
    // It only saves reading the image.
    return undefined;
  }
}

function remember({ seen }: ImageFiles, content: Seen): void {
  try {
    writeFileAtomic(seen, `${JSON.stringify(content)}\n`, { mode: 0o644 });
  } catch (error) {
    // Then it is read again the next time: no reason not to start a VM.
    if (!UNWRITABLE.has(errnoOf(error) ?? '')) throw error;
  }
}

const UNWRITABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT']);

/** Without the device, whose number may be another after a reboot. */
function stampOf(image: string): string {
  const { ino, size, mtimeNs, ctimeNs } = fs.statSync(image, { bigint: true });
  return [ino, size, mtimeNs, ctimeNs].join(':');
}
