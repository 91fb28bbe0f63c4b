import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import { asEngine } from '../host/engine.ts';
import { scopeOf } from '../suite/scope.ts';
import { configureBridge, guestImage, verb } from '../suite/verbs.ts';

// What a VM outlives, and the bounds it lives in.

const engine = { as: asEngine, who: 'engine' };
const SCOPE = scopeOf('web1');

before(async () => {
  configureBridge();
  const tiny = ['--image', await guestImage(), '--memory', '96', '--disk', '1', '--apply'];
  const { code, stderr } = await verb(engine, 'create', 'web1', ...tiny);
  assert.equal(code, 0, stderr);
});

async function works(): Promise<void> {
  assert.equal((await verb(engine, 'status', 'web1')).stdout.trim(), 'active');
  const { stdout, stderr } = await verb(engine, 'guest-exec', 'web1', 'echo here');
  assert.equal(stdout.trim(), 'here', stderr);
}

test('a VM outlives the root agent that started it, however that ends', async () => {
  await run('systemctl', ['restart', 'blockhost-root-agent']);
  await works();
  await run('systemctl', ['kill', '--signal=KILL', 'blockhost-root-agent']);
  const back = async (): Promise<true | undefined> =>
    (await run('systemctl', ['is-active', 'blockhost-root-agent'], { okCodes: [0, 3] }))
      .exitCode === 0 && fs.existsSync('/run/blockhost/root-agent.sock')
      ? true
      : undefined;
  assert.ok(await poll(back, { deadlineMs: 60_000, everyMs: 200 }), 'the agent is not back');
  await works();
});

test('its scope is in a slice of ours, bounded in memory and tasks', () => {
  const value = (file: string): number => Number(fs.readFileSync(`${SCOPE}/${file}`, 'utf8'));
  assert.ok(value('memory.current') < value('memory.max') / 2);
  assert.ok(value('pids.current') < value('pids.max') / 2);
  assert.ok(value('memory.max') < 2 * 2 ** 30);
  assert.ok(value('pids.max') < 500);
});

/** Runs a shell script as one of the processes of the VM's scope. */
async function inScope(script: string): Promise<{ exitCode: number; stderr: string }> {
  const join = `echo $$ >${SCOPE}/cgroup.procs && ${script}`;
  const okCodes = Array.from({ length: 256 }, (_, code) => code);
  // The outer shell stays outside: it tells how the inner one ended, also when the whole scope was ended.
  return await run('sh', ['-c', 'sh -c "$1"; exit $?', 'sh', join], {
    okCodes,
    timeoutMs: 120_000,
  });
}

test('one that runs away in tasks meets its bound, and the guest goes on', async () => {
  const fork =
    'import os, time\nfor i in range(600):\n if os.fork() == 0:\n  time.sleep(5); os._exit(0)';
  const { exitCode, stderr } = await inScope(`exec python3 -c '${fork}'`);
  assert.notEqual(exitCode, 0);
  assert.match(stderr, /BlockingIOError|Resource temporarily unavailable/);
  await works();
});

test('one that runs away in memory is ended by the kernel, and not the whole host', async () => {
  const { exitCode } = await inScope("python3 -c 'x = bytearray(1900 << 20)'");
  assert.notEqual(exitCode, 0);
  const { stdout } = await run('journalctl', [
    '--boot',
    '--dmesg',
    '--grep',
    'oom-kill:',
    '--output=cat',
  ]);
  assert.match(stdout, /constraint=CONSTRAINT_MEMCG.*blockhost-vm-web1\.scope/);
});

test('destroy by the engine leaves nothing', async () => {
  const { code, stderr } = await verb(engine, 'destroy', 'web1');
  assert.equal(code, 0, stderr);
  const gone = (): true | undefined => (fs.existsSync(SCOPE) ? undefined : true);
  assert.ok(await poll(gone, { deadlineMs: 20_000, everyMs: 100 }), 'the scope is left');
});
