import * as fs from 'node:fs';
import * as os from 'node:os';
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

/** With all libraries in it: the project itself may be read-only. */
async function bundle(name: string): Promise<string> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bv-driver-'));
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  const outfile = path.join(folder, `${path.basename(name)}.mjs`);
  await build({
    entryPoints: [path.join(projectRoot(), 'test', 'support', `${name}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    banner: { js: REQUIRE },
    define: { PROGRAM_VERSION: '"0.0.0-test"' },
    logLevel: 'warning',
  });
  return outfile;
}

/** Libraries of the older kind ask for their modules by it. */
const REQUIRE =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
