import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { ageSeconds, identify, isRunning, readProcessStat } from '../../../src/host/process.ts';

test('a process is known by pid, start time and boot', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const identity = identify(child.pid ?? 0);
  assert.ok(identity !== undefined);
  assert.ok(isRunning(identity));
  assert.ok(ageSeconds(identity) < 30);
  assert.ok(!isRunning({ ...identity, startTime: identity.startTime - 1 }), 'a reused pid');
  assert.ok(!isRunning({ ...identity, bootId: 'another boot' }));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(!isRunning(identity));
  assert.equal(identify(child.pid ?? 0), undefined);
});

test('a command name with spaces and parentheses does not shift the fields', async () => {
  const child = spawn(
    'sh',
    ['-c', 'printf ") R 1 (" >/proc/self/comm; exec 0<&-; read -r _ || sleep 60'],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  );
  await once(child, 'spawn');
  const stat = readProcessStat(child.pid ?? 0);
  assert.match(stat?.state ?? '', /^[RSD]$/);
  assert.ok(Number.isInteger(stat?.startTime));
  child.kill('SIGKILL');
  await once(child, 'exit');
});

test('a zombie has ended', async () => {
  // The shell never waits for its child, which has ended by the time the shell says so.
  const shell = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(shell.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString().trim());
  for (let i = 0; i < 500 && readProcessStat(pid)?.state !== 'Z'; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(readProcessStat(pid)?.state, 'Z');
  const identity = identify(pid);
  assert.ok(identity !== undefined && !isRunning(identity));
  shell.kill('SIGKILL');
  await once(shell, 'exit');
});
