import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { run } from '../../../src/host/exec.ts';
import { projectRoot } from '../../support/program.ts';

/** The library that User-mode Linux needs on some CPUs (xstate.c), compiled when it is not in the cache. */
export async function preload(cache: string): Promise<string> {
  const source = path.join(projectRoot(), 'test/lab/host/xstate.c');
  const key = createHash('sha256').update(fs.readFileSync(source)).digest('hex').slice(0, 16);
  const library = path.join(cache, `xstate-${key}.so`);
  if (!fs.existsSync(library)) {
    const half = `${library}.${process.pid}`;
    await run('gcc', ['-O2', '-Wall', '-Werror', '-shared', '-fPIC', '-o', half, source, '-ldl']);
    fs.renameSync(half, library);
  }
  return library;
}
