import * as assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import * as path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { startQemu } from './qemu.ts';

const SOURCE = `
import { QmpClient } from './src/qmp/client.ts';
import { AgentClient } from './src/qmp/agent/client.ts';
const [qmpPath, agentPath] = process.argv.slice(1);
const qmp = await QmpClient.connect(qmpPath, { deadlineMs: 20_000 });
void qmp.once('STOP', { deadlineMs: 3_600_000 });
qmp.execute('query-status', undefined, { deadlineMs: 3_600_000 }).catch(() => {});
const second = QmpClient.connect(qmpPath, { deadlineMs: 100 });
console.log((await second.catch((e) => e)).name);
console.log((await AgentClient.open(agentPath, { deadlineMs: 100 }).catch((e) => e)).name);
qmp.close();
`;

test('a process that has closed its clients ends by itself', { timeout: 60_000 }, async (t) => {
  const qemu = await startQemu(t);
  const result = await build({
    stdin: { contents: SOURCE, resolveDir: root(), loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  const script = result.outputFiles[0]?.text ?? '';
  const args = ['--input-type=module', '--eval', script, qemu.qmp, qemu.agent];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 40_000 });
  assert.equal(stdout, 'QmpTimeoutError\nAgentTimeoutError\n');
});

/** This file runs from build/test/integration/qmp. */
function root(): string {
  const here = path.dirname(new URL(import.meta.url).pathname);
  return here.slice(0, here.lastIndexOf(`${path.sep}build${path.sep}test`));
}
