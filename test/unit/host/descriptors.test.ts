import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as path from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import { temporaryDirectory } from '../../support/temporary.ts';

test('a child of ours gets none of the descriptors that our caller left open', async (t) => {
  const script = path.join(temporaryDirectory(t), 'list.mjs');
  await build({
    stdin: {
      contents: `
        import { spawnSync } from 'node:child_process';
        import { closeInherited } from './src/host/descriptors.ts';
        const list = () => spawnSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).stdout.split('\\n').filter(Boolean);
        const before = list();
        closeInherited();
        console.log(JSON.stringify({ before, after: list() }));`,
      resolveDir: process.cwd(),
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: script,
  });
  const stdio = ['ignore', 'pipe', 'inherit', ...Array(40).fill('ignore'), 'pipe'] as 'pipe'[];
  const child = spawn(process.execPath, [script], { stdio });
  let text = '';
  child.stdout?.on('data', (data) => {
    text += data;
  });
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  const { before, after } = JSON.parse(text) as { before: string[]; after: string[] };
  assert.ok(before.length > after.length, `${before} then ${after}`);
  // ls itself opens the directory it lists.
  assert.deepEqual(after, ['0', '1', '2', '3']);
});
