// Bundles bench/main.ts and runs it: node scripts/bench.mjs [row ...]
import * as path from 'node:path';
import { build } from 'esbuild';
import { buildProgram } from './build.mjs';

const root = path.join(path.dirname(new URL(import.meta.url).pathname), '..');
await buildProgram();
const outfile = path.join(root, 'build', 'bench', 'main.mjs');
await build({
  entryPoints: ['bench/main.ts'],
  outfile,
  absWorkingDir: root,
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'warning',
  define: { PROGRAM_VERSION: '"bench"' },
});
await import(outfile);
