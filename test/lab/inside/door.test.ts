import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import { callRootAgent, exchange, frame } from '../../support/root-agent/client.ts';
import { asEngine } from '../host/engine.ts';
import { configureBridge, guestImage, verb } from '../suite/verbs.ts';

// The real door: BlockHost's root agent, our action module, the program. Times are told in starts of Node at that moment,
// of which a second holds fifteen on the machine the bounds were set for. Others use the machine under this host, too: what
// takes longer is tried again, and what always does is too slow.

const engine = { as: asEngine, who: 'engine' };
const SECOND = 15;
const TRIES = 4;

before(async () => {
  configureBridge();
  const tiny = ['--image', await guestImage(), '--memory', '96', '--disk', '1', '--apply'];
  const { code, stderr } = await verb(engine, 'create', 'web1', ...tiny);
  assert.equal(code, 0, stderr);
});

interface Timed {
  ok: boolean;
  error: string;
  /** How many starts of Node it took. */
  starts: number;
}

async function timed(action: string, params: object): Promise<Timed> {
  const began = performance.now();
  const { ok, error = '' } = await callRootAgent(action, params);
  const took = performance.now() - began;
  await run('node', ['-e', '1']);
  return { ok, error, starts: took / (performance.now() - began - took) };
}

/** Of a request that can be repeated. */
async function inTime(action: string, params: object): Promise<Timed> {
  let found = await timed(action, params);
  for (let tries = 1; tries < TRIES && found.starts >= SECOND; tries++)
    found = await timed(action, params);
  assert.ok(found.starts < SECOND, `${action} took ${found.starts.toFixed(1)} starts of Node`);
  return found;
}

test('each handler is back in well under a second', async (t) => {
  const calls: [string, object][] = [
    ['qemu-vm-stop', { name: 'web1', how: 'kill', wait_ms: 400 }],
    ['qemu-vm-start', { name: 'web1' }],
    ['qemu-vm-limits', { name: 'web1', limits: { iops_read: 100, bandwidth_in: 10_000 } }],
    ['qemu-vm-stop', { name: 'web1', how: 'quit', wait_ms: 400 }],
    ['qemu-vm-start', { name: 'web1' }],
  ];
  const least = calls.map(() => Number.POSITIVE_INFINITY);
  for (let tries = 0; tries < TRIES && least.some((starts) => starts >= SECOND); tries++) {
    for (const [i, [action, params]] of calls.entries()) {
      const { ok, error, starts } = await timed(action, params);
      assert.ok(ok, `${action}: ${error}`);
      least[i] = Math.min(least[i] ?? starts, starts);
    }
  }
  for (const [i, [action]] of calls.entries()) {
    const starts = least[i] ?? Number.NaN;
    t.diagnostic(`${action}: ${starts.toFixed(1)} starts of Node`);
    assert.ok(starts < SECOND, `${action} took ${starts.toFixed(1)} starts of Node`);
  }
});

test('hostile requests are refused, soon, and change nothing', async () => {
  const { pid } = JSON.parse(fs.readFileSync('/var/lib/blockhost-qemu/vms/web1/run.json', 'utf8'));
  const before = fs.readdirSync('/var/lib/blockhost-qemu', { recursive: true }).sort();
  const names = [
    '../web1',
    '-rf',
    'web1\n',
    'web1\0',
    '',
    '..',
    'x'.repeat(65),
    7,
    null,
    ['web1'],
    {},
  ];
  const requests = [
    'vm-create',
    'vm-start',
    'vm-stop',
    'vm-limits',
    'vm-remove',
    'template-publish',
  ];
  for (const [i, request] of requests.entries()) {
    for (const name of names.filter((_, n) => (n + i) % 2 === 0)) {
      const params = { name, how: 'kill', wait_ms: 0, limits: {}, token: name };
      const { ok, error } = await inTime(`qemu-${request}`, params);
      assert.equal(ok, false, `${request} ${JSON.stringify(name)}`);
      assert.ok(error.length > 0 && error.length < 1000 && !error.includes('Traceback'), error);
    }
  }
  for (const params of [
    { name: 'web1', extra: 1 },
    { name: 'web1', path: '/etc/passwd' },
  ])
    assert.equal((await callRootAgent('qemu-vm-start', params)).ok, false);
  assert.ok(fs.existsSync(`/proc/${pid}`));
  const after = fs.readdirSync('/var/lib/blockhost-qemu', { recursive: true }).sort();
  assert.deepEqual(after, before);
});

test('frames that are torn, huge or no JSON leave the agent as it was', async () => {
  const good = frame(JSON.stringify({ action: 'qemu-vm-start', params: { name: 'web1' } }));
  const far = Buffer.alloc(8, 0xff);
  for (const bytes of [
    far,
    frame('{'),
    frame('[]'),
    frame('{"action":7}'),
    frame(Buffer.alloc(64)),
  ]) {
    const reply = await exchange(bytes);
    assert.ok(reply === undefined || !reply.ok);
  }
  const reply = await exchange(good);
  assert.equal(reply?.ok, true, JSON.stringify(reply));
});

test('a start that is already under way, or done, is answered as such', async () => {
  const replies = await Promise.all(
    [1, 2, 3].map(() => callRootAgent('qemu-vm-start', { name: 'web1' })),
  );
  for (const reply of replies) assert.equal(reply.ok, true, JSON.stringify(reply));
});

test('what is left in the place of a VM holds nobody up', async () => {
  const stop = { name: 'web1', how: 'kill', wait_ms: 400 };
  assert.equal((await callRootAgent('qemu-vm-stop', stop)).ok, true);
  const unit = 'blockhost-vm-web1.scope';
  const left = spawn('systemd-run', ['--quiet', '--scope', `--unit=${unit}`, 'sleep', '1000'], {
    stdio: 'ignore',
  });
  try {
    const there = (): true | undefined =>
      fs.existsSync(`/run/systemd/transient/${unit}`) ? true : undefined;
    assert.ok(await poll(there, { deadlineMs: 60_000, everyMs: 50 }));
    const { ok, error } = await inTime('qemu-vm-start', { name: 'web1' });
    assert.equal(ok, false);
    assert.match(error, /VM web1: its unit blockhost-vm-web1\.scope is in use/);
  } finally {
    // What a start that failed has cleared away is not there any more.
    left.kill('SIGKILL');
  }
  // Whoever is patient meets a place that is free again.
  const { code, stderr } = await verb(engine, 'start', 'web1');
  assert.equal(code, 0, stderr);
});
