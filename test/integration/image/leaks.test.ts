import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { reclaimLeaks } from '../../../src/image/leaks.ts';
import type { DiskChain } from '../../../src/image/snapshots.ts';
import { leakCluster, setReferences } from '../../support/leak-cluster.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

/** An overlay of a template, with data in both. */
async function overlay(t: TestContext): Promise<DiskChain & { backing: string }> {
  const directory = temporaryDirectory(t);
  const [backing, file] = ['base', 'disk'].map((name) => path.join(directory, `${name}.qcow2`));
  assert.ok(backing !== undefined && file !== undefined);
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', backing, '8M']);
  await run('qemu-io', ['-c', 'write -P 7 0 1M', backing]);
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', backing, '-F', 'qcow2', file]);
  await run('qemu-io', ['-c', 'write -P 9 512k 1M', file]);
  return { file, backing, become: [] };
}

async function check(file: string): Promise<{ leaks?: number; corruptions?: number }> {
  const argv = ['check', '--output=json', file];
  return JSON.parse((await run('qemu-img', argv, { okCodes: [0, 2, 3] })).stdout);
}

test('leaked clusters of a disk are given back, and those of its template stay', async (t) => {
  const chain = await overlay(t);
  assert.equal(await reclaimLeaks(chain), 0);
  leakCluster(chain.file);
  leakCluster(chain.file);
  leakCluster(chain.backing);
  const before = fs.readFileSync(chain.backing);
  assert.equal((await check(chain.file)).leaks, 2);
  assert.equal(await reclaimLeaks(chain), 2);
  assert.equal((await check(chain.file)).leaks, undefined);
  assert.deepEqual(fs.readFileSync(chain.backing), before);
  for (const what of ['read -P 7 0 512k', 'read -P 9 512k 1M'])
    await run('qemu-io', ['-r', '-c', what, chain.file]);
});

test('a disk with other damage is left as it is', async (t) => {
  const chain = await overlay(t);
  leakCluster(chain.file);
  // The last cluster in front of it holds data, and is said to be free.
  setReferences(chain.file, Math.floor(fs.statSync(chain.file).size / 65_536) - 2, 0);
  const { leaks, corruptions } = await check(chain.file);
  assert.ok((leaks ?? 0) > 0 && (corruptions ?? 0) > 0, JSON.stringify({ leaks, corruptions }));
  const before = fs.readFileSync(chain.file);
  assert.equal(await reclaimLeaks(chain), 0);
  assert.deepEqual(fs.readFileSync(chain.file), before);
});
