import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { run } from '../../../src/host/exec.ts';
import { hostAptOptions } from '../../../src/image/apt-options.ts';
import { debianMirrors, defaultSuite, hostSources } from '../../../src/image/debian-mirrors.ts';
import { PACKAGES } from './packages.ts';

/**
 * A tar of a host with packages alone, from this machine's own apt sources: the slow part of the image,
 * and hence a cache of its own. Not built again when only the lab's own files change.
 */
export async function baseTree(
  cache: string,
  more: readonly string[],
  report: (line: string) => void,
): Promise<string> {
  const packages = [...PACKAGES, ...more];
  const suite = defaultSuite();
  const mirrors = debianMirrors(hostSources(), suite);
  const arguments_ = [
    '--mode=root',
    '--variant=minbase',
    '--architectures=amd64',
    `--include=${packages.join(',')}`,
    '--dpkgopt=force-unsafe-io',
    ...['doc', 'man', 'locale', 'info'].map((n) => `--dpkgopt=path-exclude=/usr/share/${n}/*`),
    '--aptopt=Acquire::Languages "none"',
    ...(await hostAptOptions()).map((line) => `--aptopt=${line}`),
    suite,
  ];
  const key = createHash('sha256')
    .update(JSON.stringify([arguments_, mirrors.lines]))
    .digest('hex');
  const file = path.join(cache, `base-${key.slice(0, 16)}.tar`);
  if (!fs.existsSync(file)) {
    report(`bootstrapping ${suite} with ${packages.length} packages`);
    const half = path.join(cache, 'half.tar');
    await run('mmdebstrap', [...arguments_, half, ...mirrors.lines], { timeoutMs: 1_200_000 });
    fs.renameSync(half, file);
  }
  return file;
}
