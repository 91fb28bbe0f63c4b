import * as assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentClient } from '../../../src/qmp/agent/client.ts';
import { AgentProtocolError, AgentTimeoutError } from '../../../src/qmp/agent/errors.ts';
import { guestExec } from '../../../src/qmp/agent/exec.ts';
import type { AgentOpener } from '../../../src/qmp/agent/lease.ts';
import type { FakeAgent } from '../../support/fake-agent.ts';
import { NO_REPLY } from '../../support/fake-qmp.ts';
import { serveAgent } from './fixture.ts';

const limits = { timeout: 20_000 };
const bytes = Buffer.from([0, 255, 10, 128]);

function command(fake: FakeAgent, polls: number, status: Record<string, unknown>): void {
  let left = polls;
  fake.on('guest-exec', () => ({ pid: 321 }));
  fake.on('guest-exec-status', () => {
    left -= 1;
    return left >= 0 ? { exited: false } : { exited: true, ...status };
  });
}

const opener =
  (fake: FakeAgent): AgentOpener =>
  (options) =>
    AgentClient.open(fake.path, options);

test('a command gives its code and its output, byte for byte', limits, async (t) => {
  const fake = await serveAgent(t);
  command(fake, 3, {
    exitcode: 3,
    'out-data': bytes.toString('base64'),
    'err-truncated': true,
  });
  const agent = await AgentClient.open(fake.path);
  const result = await guestExec(agent, {
    path: '/bin/sh',
    args: ['-c', 'x "y" $z'],
    inputData: bytes,
  });
  assert.deepEqual(result, {
    exitCode: 3,
    signal: undefined,
    stdout: bytes,
    stderr: Buffer.alloc(0),
    stdoutTruncated: false,
    stderrTruncated: true,
  });
  assert.deepEqual(fake.calls.find((call) => call.name === 'guest-exec')?.args, {
    path: '/bin/sh',
    arg: ['-c', 'x "y" $z'],
    'input-data': bytes.toString('base64'),
    'capture-output': true,
  });
  await agent.execute('guest-ping');
  assert.equal(fake.served, 1);
  agent.close();
});

test('a command ended by a signal has no exit code', limits, async (t) => {
  const fake = await serveAgent(t);
  command(fake, 0, { signal: 9 });
  const result = await guestExec(opener(fake), { path: '/x' });
  assert.equal(result.exitCode, undefined);
  assert.equal(result.signal, 9);
});

test(
  'during a long command others get at the agent, if it was given as an opener',
  limits,
  async (t) => {
    const fake = await serveAgent(t);
    command(fake, 1000, {});
    const abort = new AbortController();
    const running = guestExec(opener(fake), { path: '/x', signal: abort.signal });
    running.catch(() => {});
    while (!fake.commands.includes('guest-exec-status')) await new Promise(setImmediate);
    const other = await AgentClient.open(fake.path, { deadlineMs: 10_000 });
    await other.execute('guest-ping');
    other.close();
    const { served } = fake;
    while (fake.served < served + 1) await new Promise((resolve) => setTimeout(resolve, 10));
    abort.abort(new Error('enough'));
    await assert.rejects(running, { message: 'enough' });
    assert.equal(fake.commands.filter((name) => name === 'guest-exec').length, 1);
  },
);

test('a silent agent fails long before the deadline of the command', limits, async (t) => {
  const fake = await serveAgent(t);
  fake.on('guest-exec', () => NO_REPLY);
  const request = { path: '/x', deadlineMs: 300_000, answerMs: 50 };
  await assert.rejects(guestExec(opener(fake), request), AgentTimeoutError);
  fake.on('guest-sync-delimited', () => NO_REPLY);
  await assert.rejects(guestExec(opener(fake), request), AgentTimeoutError);
});

test(
  'a command that does not end fails at its deadline and says it may go on',
  limits,
  async (t) => {
    const [endless, stuck] = [await serveAgent(t), await serveAgent(t)];
    command(endless, 100_000, {});
    command(stuck, 100_000, {});
    stuck.on('guest-exec-status', () => NO_REPLY);
    const failure = {
      name: 'AgentTimeoutError',
      message:
        'the command did not finish within 700 ms; process 321 may still be running in the guest',
    };
    await Promise.all(
      [endless, stuck].map((fake) =>
        assert.rejects(guestExec(opener(fake), { path: '/x', deadlineMs: 700 }), failure),
      ),
    );
  },
);

test('the lies of a guest are refused by name', limits, async (t) => {
  const fake = await serveAgent(t);
  const lies: [Record<string, unknown>, RegExp][] = [
    [{ 'out-data': 'not base64!' }, /out-data/],
    [{ 'err-data': 'QQ' }, /err-data/],
    [{ 'out-data': 7 }, /out-data should be a string, found 7/],
    [{ exitcode: '0' }, /exitcode should be a number, found "0"/],
    [{ exitcode: 0.5 }, /exitcode should be/],
    [{ exited: 1 }, /exited should be a boolean, found 1/],
  ];
  for (const [status, message] of lies) {
    command(fake, 0, status);
    await assert.rejects(guestExec(opener(fake), { path: '/x' }), (error) => {
      assert.ok(error instanceof AgentProtocolError);
      assert.match(error.message, message);
      return true;
    });
  }
  fake.on('guest-exec', () => ({ pid: 'x' }));
  await assert.rejects(guestExec(opener(fake), { path: '/x' }), /pid should be a number/);
});
