import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { lockFile } from '../../src/host/lock.ts';
import { Paths } from '../../src/host/paths.ts';
import { buildTemplate } from '../../src/image/build-template.ts';
import { defaultSuite, type Suite } from '../../src/image/debian-mirrors.ts';
import { currentTemplate, type Template } from '../../src/image/template-store.ts';

const SOURCES = path.resolve('src/image');
const CACHE = path.join(
  process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'),
  'blockhost-qemu/e2e',
);

/**
 * The template that this source builds from Debian packages, and the state directory it lives in. Built once
 * for each version of src/image and kept in the user's cache.
 */
export async function debianTemplate(
  options: { suite?: Suite; tune?: boolean } = {},
): Promise<{ template: Template; paths: Paths; seconds: number | undefined }> {
  const { suite = defaultSuite(), tune = true } = options;
  const state = path.join(CACHE, `${suite}${tune ? '' : '-stock'}-${versionOfSources()}`);
  const paths = new Paths(state, path.join(state, 'run'));
  const lock = await lockFile(path.join(CACHE, 'lock'), {
    what: 'the cache of templates',
    holder: 'a test',
    waitMs: 600_000,
  });
  try {
    if (fs.existsSync(paths.currentTemplate))
      return { template: currentTemplate(paths), paths, seconds: undefined };
    removeOld();
    const began = performance.now();
    const template = await buildTemplate(
      { suite, tune },
      { paths, report: console.error, accel: 'tcg', qemuBinary: 'qemu-system-x86_64' },
    );
    return { template, paths, seconds: (performance.now() - began) / 1000 };
  } finally {
    lock.release();
  }
}

function versionOfSources(): string {
  const hash = createHash('sha256');
  const names = fs.readdirSync(SOURCES, { recursive: true }).map(String).sort();
  for (const name of names.filter((n) => n.endsWith('.ts')))
    hash.update(`${name}\0`).update(fs.readFileSync(path.join(SOURCES, name)));
  return hash.digest('hex').slice(0, 12);
}

/** Each is half a gigabyte: keep the newest few. */
function removeOld(): void {
  const states = fs
    .readdirSync(CACHE, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(CACHE, entry.name))
    .sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs);
  for (const state of states.slice(3)) fs.rmSync(state, { recursive: true, force: true });
}
