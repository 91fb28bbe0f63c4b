// Bundles bench/main.ts and runs it: node scripts/bench.mjs [row ...]
import { buildProgram } from './build.mjs';
import { loadBundled } from './load-bundled.mjs';

await buildProgram();
await loadBundled('bench/main.ts', 'bench/main.mjs', { PROGRAM_VERSION: '"bench"' });
