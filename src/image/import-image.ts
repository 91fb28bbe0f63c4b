import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError, messageOf, ProvisionerError } from '../errors.ts';
import type { Paths } from '../host/paths.ts';
import { GiB, type Report } from '../types.ts';
import { hashFile } from './hash-file.ts';
import { probeImage } from './image-probe.ts';
import { convertToQcow2, imageInfo, inGigabytes } from './qcow2.ts';
import { withStaging } from './staging.ts';
import { templateId } from './template-manifest.ts';
import {
  findTemplate,
  listTemplates,
  type Publish,
  publisherOf,
  type Template,
} from './template-store.ts';

export interface ImportOptions {
  defaultUser: string;
  /** How it gets into the store; by default by one rename. */
  publish?: Publish;
  report: Report;
  signal?: AbortSignal | undefined;
}

/**
 * Brings any disk image into the store, for `create --image FILE`: converted once, known again by its
 * content, and independent of the file from then on. `current` stays where it is.
 */
export async function importImage(
  paths: Paths,
  file: string,
  options: ImportOptions,
): Promise<Template> {
  const { report, signal, publish = publisherOf(paths) } = options;
  const source = realPath(file);
  const format = probeImage(source);
  const stamp = stampOf(source);
  const known = listTemplates(paths).find(
    ({ template }) =>
      template?.manifest.source.kind === 'import' && template.manifest.source.stamp === stamp,
  );
  if (known?.template !== undefined) return known.template;

  const sha256 = await hashFile(source, 'sha256', signal);
  const id = templateId('image', sha256);
  if (fs.existsSync(paths.template(id).directory)) return findTemplate(paths, id);

  const { virtualSize } = await imageInfo(source, { format, signal });
  if (virtualSize > MAX_SIZE) {
    throw new InputError(
      `${file} is a disk of ${inGigabytes(virtualSize)}; at most ${inGigabytes(MAX_SIZE)} are accepted`,
    );
  }
  report(`importing ${file} (${format}, ${inGigabytes(virtualSize)})`);
  return await withStaging(paths, async (directory) => {
    const image = path.join(directory, path.basename(paths.template(id).image));
    await convert(source, format, image, signal);
    // The header was checked by us and then read again by qemu-img: the answer holds only if the file
    // was the same all along. A change cannot be hidden, since nobody can set the change time.
    if (stampOf(source) !== stamp)
      throw new ProvisionerError(`${file} was changed while it was being imported`);
    return await publish(
      directory,
      {
        label: 'image',
        sha256,
        imageSha256: await hashFile(image, 'sha256', signal),
        virtualSize,
        source: { kind: 'import', file: source, format, stamp },
        packages: [],
        defaultUser: options.defaultUser,
        tuned: false,
      },
      { makeCurrent: false },
    );
  });
}

const MAX_SIZE = 2048 * GiB;

async function convert(
  from: string,
  fromFormat: string,
  to: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await convertToQcow2({ from, fromFormat, to, signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ProvisionerError(`${from} cannot be imported: ${messageOf(error)}`, { cause: error });
  }
}

function stampOf(file: string): string {
  const { dev, ino, size, ctimeNs } = fs.statSync(file, { bigint: true });
  return [dev, ino, size, ctimeNs].join(':');
}

function realPath(file: string): string {
  try {
    return fs.realpathSync(file);
  } catch (error) {
    throw new InputError(`${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
