import * as path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = path.join(path.dirname(new URL(import.meta.url).pathname), '..');

/** Bundles a program of this repository's own into build/ and loads it. @returns what it exports */
export async function loadBundled(entryPoint, name, define = {}) {
  const outfile = path.join(root, 'build', name);
  await build({
    entryPoints: [entryPoint],
    outfile,
    absWorkingDir: root,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    logLevel: 'warning',
    define,
  });
  return await import(pathToFileURL(outfile).href);
}
