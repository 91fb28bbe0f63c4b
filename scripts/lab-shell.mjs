// A shell, or a command with its arguments, in a lab host that is gone afterwards (docs/lab.md).
// usage: node scripts/lab-shell.mjs [COMMAND [ARGUMENT ...]]
import * as path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = path.join(path.dirname(new URL(import.meta.url).pathname), '..');
const outfile = path.join(root, 'build', 'lab-shell.mjs');
await build({
  entryPoints: ['test/lab/host/shell.ts'],
  outfile,
  absWorkingDir: root,
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'warning',
});
const { shell } = await import(pathToFileURL(outfile).href);
process.exitCode = await shell(process.argv.slice(2));
