import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { commandLineOf } from '../../../src/host/find-processes.ts';
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
  // Perl does not wait for its child; a shell may, before it becomes another program.
  const parent = spawn('perl', ['-e', '$| = 1; exit if !($p = fork); print "$p\n"; sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString().trim());
    for (let i = 0; i < 3000 && readProcessStat(pid)?.state !== 'Z'; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(readProcessStat(pid)?.state, 'Z');
    const identity = identify(pid);
    assert.ok(identity !== undefined && !isRunning(identity));
  } finally {
    parent.kill('SIGKILL');
    await once(parent, 'exit');
  }
});

test('a command line is read as far as anybody looks, however long its process made it', async () => {
  const long = Array.from({ length: 5 }, () => 'x'.repeat(100_000));
  const child = spawn('perl', ['-e', 'sleep 60', '--', ...long], { stdio: 'ignore' });
  await once(child, 'spawn');
  try {
    const words = commandLineOf(String(child.pid));
    assert.equal(words.at(1), '-e');
    assert.equal(words.join(' ').length, 256 * 1024);
  } finally {
    child.kill('SIGKILL');
  }
});
