import * as fs from 'node:fs';
import * as path from 'node:path';
import { build } from 'esbuild';
import { projectRoot } from './program.ts';

const built = new Map<string, Promise<string>>();

/** test/support/`name`.ts as one file that node runs; bundled once per process of the tests. */
export function driverFile(name: string): Promise<string> {
  const file = built.get(name) ?? bundle(name);
  built.set(name, file);
  return file;
}

/** Inside the project, where it finds the libraries. */
async function bundle(name: string): Promise<string> {
  const folder = path.join(projectRoot(), 'build', 'drivers');
  fs.mkdirSync(folder, { recursive: true });
  const outfile = path.join(folder, `${path.basename(name)}-${process.pid}.mjs`);
  process.once('exit', () => fs.rmSync(outfile, { force: true }));
  await build({
    entryPoints: [path.join(projectRoot(), 'test', 'support', `${name}.ts`)],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    logLevel: 'warning',
  });
  return outfile;
}
