import * as assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AgentClient } from '../../../src/qmp/agent/client.ts';
import {
  AgentCommandError,
  AgentError,
  AgentGoneError,
  AgentProtocolError,
  AgentTimeoutError,
} from '../../../src/qmp/agent/errors.ts';
import { readGuestFile } from '../../../src/qmp/agent/read-file.ts';
import { guestShutdown } from '../../../src/qmp/agent/shutdown.ts';
import { type FakeAgentLine, syncReply } from '../../support/fake-agent.ts';
import { FakeRefusal, NO_REPLY } from '../../support/fake-qmp.ts';
import { serveAgent } from './fixture.ts';

const limits = { timeout: 20_000 };

/** Says the same again and again to the end of the test: a deadline that this could move would never come. */
function keepSaying(t: TestContext, line: FakeAgentLine, what: string | Uint8Array): void {
  const timer = setInterval(() => line.raw(what), 5);
  t.after(() => clearInterval(timer));
}

test(
  'opening skips everything stale: half lines, foreign replies, old sync answers',
  limits,
  async (t) => {
    const fake = await serveAgent(t);
    const foreign = '{"return": {"host-name": "old"}, "id": "x"}\n';
    for (const stale of [
      '{"return": {"buf-b64": "AAAA',
      foreign,
      syncReply(7),
      'x'.repeat(3_000_000),
    ]) {
      fake.stale = stale;
      const agent = await AgentClient.open(fake.path);
      await agent.execute('guest-ping');
      agent.close();
    }
  },
);

test(
  'an answer to sync without the mark, or with another token or type, does not count',
  limits,
  async (t) => {
    const fake = await serveAgent(t);
    fake.on('guest-sync-delimited', ({ args, line }) => {
      const token = String(args.id);
      line.raw(`{"return": ${token}}\n`);
      line.raw(syncReply(Number(token) + 1));
      line.raw(syncReply(`"${token}"`));
      line.raw(syncReply(`[${token}]`));
      return NO_REPLY;
    });
    await assert.rejects(AgentClient.open(fake.path, { deadlineMs: 60 }), {
      name: 'AgentTimeoutError',
      message: /is busy or not answering \(no .* within 60 ms\)/,
    });
  },
);

test('no manner of talking moves the deadline of opening', limits, async (t) => {
  const sayings = ['x', '\n', '{"return":', '{}\n', '\0\0\0', Buffer.from([0xff]), syncReply(1)];
  const attempt = async (what: string | Uint8Array) => {
    const fake = await serveAgent(t);
    fake.on('guest-sync-delimited', ({ line }) => {
      keepSaying(t, line, what);
      return NO_REPLY;
    });
    await assert.rejects(AgentClient.open(fake.path, { deadlineMs: 60 }), AgentTimeoutError);
  };
  await Promise.all(sayings.map(attempt));
});

test('no manner of talking moves the deadline of a command', limits, async (t) => {
  const nested = `{"return":${'['.repeat(20_000)}${']'.repeat(20_000)}}\n`;
  const sayings = [
    'x',
    '\n',
    '[]\n',
    '{"return":{},"id":"no"}\n',
    '{"return":{}}\n',
    '\0\n',
    nested,
  ];
  const attempt = async (what: string) => {
    const fake = await serveAgent(t);
    fake.on('guest-get-host-name', ({ line }) => {
      keepSaying(t, line, what);
      return NO_REPLY;
    });
    const agent = await AgentClient.open(fake.path);
    await assert.rejects(
      agent.execute('guest-get-host-name', undefined, { deadlineMs: 60 }),
      AgentTimeoutError,
    );
    agent.close();
  };
  await Promise.all(sayings.map(attempt));
});

test(
  'a reply that is too long ends the connection; a longer one can be asked for',
  limits,
  async (t) => {
    const fake = await serveAgent(t);
    const long = 'n'.repeat(2 * 1024 * 1024);
    fake.on('guest-get-host-name', () => ({ 'host-name': long }));
    const agent = await AgentClient.open(fake.path);
    const options = { maxReplyBytes: 3 * 1024 * 1024 };
    const name = await agent.execute('guest-get-host-name', undefined, options);
    assert.equal(name['host-name'].length, long.length);
    await assert.rejects(agent.execute('guest-get-host-name'), {
      name: 'AgentProtocolError',
      message: /sent a reply longer than 1048576 bytes/,
    });
    await assert.rejects(agent.execute('guest-ping'), AgentProtocolError);
  },
);

test('output nobody asked for is put up with to a limit', limits, async (t) => {
  const fake = await serveAgent(t);
  fake.on('guest-ping', ({ line }) => {
    for (let i = 0; i < 40; i++) line.raw(`{"return":{},"id":"${'x'.repeat(100_000)}"}\n`);
    return {};
  });
  const patient = await AgentClient.open(fake.path);
  await patient.execute('guest-ping');
  patient.close();
  const strict = await AgentClient.open(fake.path, { maxStaleBytes: 1000 });
  await assert.rejects(strict.execute('guest-ping'), {
    name: 'AgentProtocolError',
    message: /more than 1000 bytes that nobody asked for/,
  });
  fake.stale = 'x'.repeat(100_000);
  await assert.rejects(AgentClient.open(fake.path, { maxStaleBytes: 1000 }), AgentProtocolError);
});

test('replies are matched by random ids, several in flight', limits, async (t) => {
  const fake = await serveAgent(t);
  const agent = await AgentClient.open(fake.path);
  fake.on('guest-get-host-name', ({ id, line }) => {
    line.send({ return: { 'host-name': 'forged' }, id: `${String(id)}x` });
    line.send({ return: { 'host-name': 'forged' } });
    return { 'host-name': 'mine' };
  });
  const results = await Promise.all([
    agent.execute('guest-get-host-name'),
    agent.execute('guest-ping'),
    agent.execute('guest-get-host-name'),
  ]);
  assert.deepEqual(results, [{ 'host-name': 'mine' }, undefined, { 'host-name': 'mine' }]);
  const ids = new Set(fake.calls.map((call) => call.id));
  assert.equal(ids.size, fake.calls.length);
  agent.close();
});

test('refusals and lies are one-line errors with the guest quoted', limits, async (t) => {
  const fake = await serveAgent(t);
  const agent = await AgentClient.open(fake.path);
  fake.on('guest-get-osinfo', () => {
    throw new FakeRefusal('\u001b[2J\nroot# ');
  });
  await assert.rejects(agent.execute('guest-get-osinfo'), (error) => {
    assert.ok(error instanceof AgentCommandError);
    assert.equal(error.message, 'the guest agent refused guest-get-osinfo: "\\u001b[2J\\nroot# "');
    return true;
  });
  fake.on('guest-get-fsinfo', () => [{ name: 'vda1', mountpoint: '/', type: 5 }]);
  await assert.rejects(agent.execute('guest-get-fsinfo'), {
    name: 'AgentProtocolError',
    message: /guest-get-fsinfo is not as expected: \[0\]\.type should be a string, found 5/,
  });
  for (const error of [null, 7, 'no', [], { class: 1, desc: 2 }]) {
    fake.on('guest-info', ({ line, id }) => {
      line.send({ error, id });
      return NO_REPLY;
    });
    await assert.rejects(agent.execute('guest-info'), AgentProtocolError);
  }
  agent.close();
});

test(
  'a second client waits its turn, and fails at its deadline if that does not come',
  limits,
  async (t) => {
    const fake = await serveAgent(t);
    const first = await AgentClient.open(fake.path);
    await assert.rejects(AgentClient.open(fake.path, { deadlineMs: 50 }), AgentTimeoutError);
    const second = AgentClient.open(fake.path, { deadlineMs: 10_000 });
    first.close();
    (await second).close();
  },
);

test('the end of the VM and close() reject what waits', limits, async (t) => {
  const fake = await serveAgent(t);
  fake.on('guest-info', ({ line }) => {
    line.hangUp();
    return NO_REPLY;
  });
  const agent = await AgentClient.open(fake.path);
  await assert.rejects(agent.execute('guest-info'), AgentGoneError);
  fake.on('guest-info', () => NO_REPLY);
  const other = await AgentClient.open(fake.path);
  const waiting = other.execute('guest-info');
  const abort = new AbortController();
  const aborted = other.execute('guest-info', undefined, { signal: abort.signal });
  abort.abort(new Error('enough'));
  await assert.rejects(aborted, { message: 'enough' });
  other.close();
  await assert.rejects(waiting, AgentError);
  await assert.rejects(AgentClient.open(`${fake.path}.none`), AgentGoneError);
});

test('shutting down succeeds without an answer, and fails with one', limits, async (t) => {
  const fake = await serveAgent(t);
  const agent = await AgentClient.open(fake.path);
  fake.on('guest-shutdown', () => NO_REPLY);
  await guestShutdown(agent, 'powerdown');
  fake.on('guest-shutdown', () => {
    throw new FakeRefusal('not now');
  });
  await assert.rejects(guestShutdown(agent, 'reboot'), AgentCommandError);
  fake.on('guest-shutdown', ({ line }) => {
    line.hangUp();
    return NO_REPLY;
  });
  await guestShutdown(agent, 'halt');
});

test('a file is read to its end, up to the limit, and closed', limits, async (t) => {
  const fake = await serveAgent(t);
  const content = Buffer.alloc(100_000, 'abc');
  let at = 0;
  fake.on('guest-file-open', () => {
    at = 0;
    return 1000;
  });
  fake.on('guest-file-read', ({ args }) => {
    const part = content.subarray(at, at + Number(args.count));
    at += part.length;
    return { count: part.length, 'buf-b64': part.toString('base64'), eof: at === content.length };
  });
  fake.on('guest-file-close', () => ({}));
  const agent = await AgentClient.open(fake.path);
  assert.ok((await readGuestFile(agent, '/x', { maxBytes: 100_000 })).equals(content));
  await assert.rejects(readGuestFile(agent, '/x', { maxBytes: 99_999 }), AgentProtocolError);
  await agent.execute('guest-ping');
  assert.equal(fake.commands.filter((name) => name === 'guest-file-close').length, 2);
  agent.close();
});
