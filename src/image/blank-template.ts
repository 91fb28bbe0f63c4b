import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Paths } from '../host/paths.ts';
import { MiB } from '../types.ts';
import { hashFile } from './hash-file.ts';
import { createEmpty } from './qcow2.ts';
import { withStaging } from './staging.ts';
import { templateId } from './template-manifest.ts';
import { findTemplate, type Publish, type Template } from './template-store.ts';

const BYTES = MiB;

/** Nothing but zeroes: what a disk starts from whose content all comes from elsewhere. Made when it is missing. */
export async function blankTemplate(
  paths: Paths,
  publish: Publish,
  signal: AbortSignal,
): Promise<Template> {
  const sha256 = createHash('sha256').update(Buffer.alloc(BYTES)).digest('hex');
  const id = templateId('blank', sha256);
  if (fs.existsSync(paths.template(id).directory)) return findTemplate(paths, id);
  return await withStaging(paths, async (directory) => {
    const file = path.join(directory, path.basename(paths.template(id).image));
    await createEmpty({ file, sizeBytes: BYTES, signal });
    return await publish(
      directory,
      {
        label: 'blank',
        sha256,
        imageSha256: await hashFile(file, 'sha256', signal),
        virtualSize: BYTES,
        source: { kind: 'import', file: '', format: 'raw', stamp: '' },
        packages: [],
        defaultUser: 'admin',
        tuned: false,
      },
      { makeCurrent: false },
    );
  });
}
