import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { InputError, messageOf } from '../errors.ts';
import { openWithoutLinks } from '../host/open-beneath.ts';
import type { Paths } from '../host/paths.ts';
import { GiB } from '../types.ts';
import { probeImage } from './image-probe.ts';
import { imageInfo } from './qcow2.ts';
import { withStaging } from './staging.ts';
import type { TemplateFacts } from './template-manifest.ts';
import { publishTemplate, type Template } from './template-store.ts';

/** What the one who made the image says of it; the rest is found out here. */
export type ClaimedFacts = Omit<TemplateFacts, 'sha256' | 'imageSha256' | 'virtualSize'>;

/**
 * Publishes an image that somebody less trusted has made: copied first, since its maker may still have it open,
 * and judged by the copy alone. Its id comes from the copy's content.
 * @param source the image; no component of its path may be a symbolic link.
 */
export async function adoptTemplate(
  paths: Paths,
  source: string,
  facts: ClaimedFacts,
  options: { makeCurrent: boolean; signal?: AbortSignal | undefined },
): Promise<Template> {
  const { makeCurrent, signal } = options;
  return await withStaging(paths, async (directory) => {
    const image = path.join(directory, 'disk.qcow2');
    const sha256 = await copy(source, image, signal);
    if (probeImage(image) !== 'qcow2') throw new InputError(`${source} is not a qcow2 image`);
    const { virtualSize } = await imageInfo(image, { format: 'qcow2', signal });
    const found = { sha256, imageSha256: sha256, virtualSize };
    return publishTemplate(paths, directory, { ...facts, ...found }, { makeCurrent });
  });
}

async function copy(from: string, to: string, signal: AbortSignal | undefined): Promise<string> {
  let fd: number;
  try {
    fd = openWithoutLinks(from, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (cause) {
    throw new InputError(`${from} cannot be read: ${messageOf(cause)}`, { cause });
  }
  const stat = fs.fstatSync(fd);
  const wrong = wrongWith(stat, to);
  if (wrong !== undefined) {
    fs.closeSync(fd);
    throw new InputError(`${from} ${wrong}`);
  }
  const source = fs.createReadStream(from, { fd, highWaterMark: 1024 * 1024, end: stat.size });
  const hash = createHash('sha256');
  source.on('data', (chunk) => hash.update(chunk));
  await pipeline(source, fs.createWriteStream(to, { flags: 'wx', mode: 0o600 }), { signal });
  return hash.digest('hex');
}

/** Larger images than anybody means, and copies that would fill the disk of every VM. */
const MAX_BYTES = 64 * GiB;
const SPARE_BYTES = GiB;

function wrongWith(stat: fs.Stats, to: string): string | undefined {
  if (!stat.isFile()) return 'is not a regular file';
  // A second name may be a file of somebody else's, whom its maker cannot read.
  if (stat.nlink !== 1) return 'has more than one name';
  if (stat.size > MAX_BYTES) return `is larger than ${MAX_BYTES / GiB} GB`;
  const { bavail, bsize } = fs.statfsSync(path.dirname(to));
  if (bavail * bsize < stat.size + SPARE_BYTES) return 'is larger than the room that is left';
  return undefined;
}
