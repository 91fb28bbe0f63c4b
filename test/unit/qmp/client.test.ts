import * as assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as path from 'node:path';
import { test } from 'node:test';
import { sleep } from '../../../src/host/time.ts';
import { QmpClient } from '../../../src/qmp/client.ts';
import {
  QmpCommandError,
  QmpError,
  QmpGoneError,
  QmpProtocolError,
  QmpTimeoutError,
} from '../../../src/qmp/errors.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { type FakeCall, NO_REPLY } from '../../support/fake-qmp.ts';
import { serve } from './fixture.ts';

const limits = { timeout: 20_000 };
const RUNNING = { status: 'running', running: true };

test('connecting negotiates and leaves the client ready', limits, async (t) => {
  const fake = await serve(t);
  const qmp = new QmpClient(fake.path);
  assert.equal(qmp.state, 'idle');
  const opening = qmp.open();
  assert.equal(qmp.state, 'connecting');
  await opening;
  assert.equal(qmp.state, 'ready');
  assert.equal(qmp.greeting?.version.qemu.major, 7);
  qmp.close();
  assert.equal(qmp.state, 'closed');
  assert.equal(await qmp.closed, undefined);
});

test(
  'results hold the fields that are needed, in order of id and not of arrival',
  limits,
  async (t) => {
    const fake = await serve(t);
    const held: FakeCall[] = [];
    const hold = (call: FakeCall) => {
      held.push(call);
      if (held.length === 3)
        for (const { id, name, connection } of held.reverse())
          connection.send({ id, return: name === 'query-balloon' ? { actual: 7 } : RUNNING });
      return NO_REPLY;
    };
    fake.on('query-status', hold).on('query-balloon', hold);
    await withQmp(fake.path, async (qmp) => {
      const [first, balloon, second] = await Promise.all([
        qmp.execute('query-status'),
        qmp.execute('query-balloon'),
        qmp.execute('query-status'),
      ]);
      assert.deepEqual([first, balloon, second], [RUNNING, { actual: 7 }, RUNNING]);
    });
  },
);

test('a ping is answered by anything that answers it, among other commands', limits, async (t) => {
  const fake = await serve(t);
  fake.on('query-balloon', () => ({ actual: 7 }));
  const qmp = await QmpClient.connect(fake.path);
  // The fake refuses what it does not know, and answers then.
  for (const answer of [undefined, RUNNING]) {
    if (answer !== undefined) fake.on('query-status', () => answer);
    const ponged = new Promise<void>((resolve) => qmp.ping(resolve));
    assert.deepEqual(await qmp.execute('query-balloon'), { actual: 7 });
    await ponged;
  }
  fake.on('query-status', () => NO_REPLY);
  qmp.ping(() => assert.fail('an answer after the end'));
  qmp.close();
  qmp.ping(() => assert.fail('an answer after the end'));
});

test('a refusal names command, class and description', limits, async (t) => {
  const fake = await serve(t);
  await withQmp(fake.path, async (qmp) => {
    await assert.rejects(qmp.executeRaw('nope', { x: 1 }), (error) => {
      assert.ok(error instanceof QmpCommandError);
      assert.equal(error.command, 'nope');
      assert.equal(error.class, 'CommandNotFound');
      assert.match(error.message, /^QEMU refused nope: "The command nope has not been found"$/);
      assert.match(error.detail ?? '', /sent: .*"execute":"nope".*\nreceived: .*CommandNotFound/);
      return true;
    });
  });
});

test('a reply of the wrong shape names the path of the field', limits, async (t) => {
  const fake = await serve(t);
  fake.on('query-cpus-fast', () => [{ 'cpu-index': 0, 'thread-id': 'x', 'qom-path': '/' }]);
  await withQmp(fake.path, async (qmp) => {
    await assert.rejects(qmp.execute('query-cpus-fast'), {
      name: 'QmpProtocolError',
      message:
        'QEMU\'s reply to query-cpus-fast is not as expected: [0].thread-id should be a number, found "x"',
    });
    assert.equal(qmp.state, 'ready');
  });
});

test('a socket is reached by a path of any length', limits, async (t) => {
  const fake = await serve(t);
  const deep = path.join(path.dirname(fake.path), 'd'.repeat(200), 'e'.repeat(200));
  fs.mkdirSync(deep, { recursive: true });
  fs.renameSync(fake.path, path.join(deep, 'qmp.sock'));
  const qmp = await QmpClient.connect(path.join(deep, 'qmp.sock'));
  assert.equal(qmp.state, 'ready');
  qmp.close();
});

test('a link that takes the place of a socket is never followed', limits, async (t) => {
  const [fake, other] = [await serve(t), await serve(t)];
  const swap = `${fake.path}.link`;
  const real = `${fake.path}.real`;
  fs.linkSync(fake.path, real);
  for (let round = 0; round < 60; round++) {
    if (round % 2 === 0) fs.symlinkSync(other.path, swap);
    else fs.linkSync(real, swap);
    // As QEMU's user could: exchanged while we are on the way.
    const connecting = QmpClient.connect(fake.path);
    fs.renameSync(swap, fake.path);
    await connecting.then(
      (qmp) => qmp.close(),
      (error) => assert.ok(error instanceof QmpProtocolError, error),
    );
  }
  assert.equal(other.connected.ever, 0);
  assert.ok(fake.connected.ever > 0);
});

test('no socket, nobody listening and a wrong kind of file are told apart', limits, async (t) => {
  const fake = await serve(t);
  const directory = path.dirname(fake.path);
  await assert.rejects(QmpClient.connect(path.join(directory, 'none')), {
    name: 'QmpGoneError',
    message: /QEMU is not running: there is no socket/,
  });
  fs.writeFileSync(path.join(directory, 'file'), '');
  fs.symlinkSync(fake.path, path.join(directory, 'link'));
  await assert.rejects(QmpClient.connect(path.join(directory, 'file')), QmpProtocolError);
  await assert.rejects(QmpClient.connect(path.join(directory, 'link')), {
    name: 'QmpProtocolError',
    message: /found a symbolic link/,
  });
  const orphan = path.join(directory, 'orphan');
  // A socket file whose owner was killed: renamed away, so that close() cannot remove it.
  const server = net.createServer().listen(`${orphan}.tmp`);
  await new Promise((resolve) => server.once('listening', resolve));
  fs.renameSync(`${orphan}.tmp`, orphan);
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(QmpClient.connect(orphan), {
    name: 'QmpGoneError',
    message: /nobody listens/,
  });
});

test(
  'a second client of a busy socket fails at its deadline, back in idle, and can try again',
  limits,
  async (t) => {
    const fake = await serve(t);
    const first = await QmpClient.connect(fake.path);
    const second = new QmpClient(fake.path);
    await assert.rejects(second.open({ deadlineMs: 60 }), (error) => {
      assert.ok(error instanceof QmpTimeoutError);
      assert.match(error.message, /is busy or not answering \(no \w+ within 60 ms\)/);
      return true;
    });
    assert.equal(second.state, 'idle');
    first.close();
    await second.open();
    assert.equal(second.state, 'ready');
    second.close();
  },
);

test('a peer that greets and then is silent fails at the same deadline', limits, async (t) => {
  const fake = await serve(t);
  fake.on('qmp_capabilities', () => NO_REPLY);
  await assert.rejects(QmpClient.connect(fake.path, { deadlineMs: 60 }), {
    name: 'QmpTimeoutError',
    message: /is busy or not answering \(no .* within 60 ms\)/,
  });
});

test('a peer that is not QEMU is recognized by its first words', limits, async (t) => {
  for (const greeting of ['SSH-2.0', { return: {} }, { QMP: { version: 1 } }]) {
    const fake = await serve(t, { greeting });
    await assert.rejects(QmpClient.connect(fake.path), QmpProtocolError);
  }
});

test('an event meant for the client before is not taken for the greeting', limits, async (t) => {
  const ahead = {
    event: 'JOB_STATUS_CHANGE',
    data: {},
    timestamp: { seconds: 1, microseconds: 0 },
  };
  const fake = await serve(t, { ahead });
  const qmp = await QmpClient.connect(fake.path);
  assert.equal(qmp.greeting?.version.qemu.major, 7);
  qmp.close();
});

test('close() during open() ends it', limits, async (t) => {
  const fake = await serve(t, { greeting: null });
  for (const wait of [false, true]) {
    const qmp = new QmpClient(fake.path);
    const opening = qmp.open();
    if (wait) while (qmp.state !== 'negotiating') await new Promise(setImmediate);
    qmp.close();
    await assert.rejects(opening, QmpError);
    assert.equal(qmp.state, 'closed');
  }
});

test(
  'a call that times out or is aborted is over; its late reply is dropped',
  limits,
  async (t) => {
    const fake = await serve(t);
    const held: FakeCall[] = [];
    fake.on('query-status', (call) => {
      held.push(call);
      return NO_REPLY;
    });
    fake.on('query-balloon', () => {
      for (const { id, connection } of held) connection.send({ id, return: { status: 'late' } });
      return { actual: 1 };
    });
    await withQmp(fake.path, async (qmp) => {
      await assert.rejects(qmp.execute('query-status', undefined, { deadlineMs: 30 }), {
        name: 'QmpTimeoutError',
        message: /no reply to query-status within 30 ms/,
      });
      const abort = new AbortController();
      const reason = new Error('enough');
      const call = qmp.execute('query-status', undefined, { signal: abort.signal });
      abort.abort(reason);
      await assert.rejects(call, reason);
      await assert.rejects(
        qmp.execute('query-status', undefined, { signal: abort.signal }),
        reason,
      );
      assert.deepEqual(await qmp.execute('query-balloon'), { actual: 1 });
      assert.equal(held.length, 2);
    });
  },
);

test(
  'when QEMU dies mid-reply, every call is rejected with its own exchange',
  limits,
  async (t) => {
    const fake = await serve(t);
    fake.on('query-status', () => NO_REPLY);
    fake.on('query-balloon', ({ connection }) => {
      connection.raw('{"return": {"act');
      setImmediate(() => connection.hangUp());
      return NO_REPLY;
    });
    const qmp = await QmpClient.connect(fake.path);
    const calls = [qmp.execute('query-status'), qmp.execute('query-balloon')];
    const results = await Promise.allSettled(calls);
    for (const [i, name] of ['query-status', 'query-balloon'].entries()) {
      const result = results[i];
      assert.ok(result?.status === 'rejected' && result.reason instanceof QmpGoneError);
      assert.equal(result.reason.command, name);
      assert.match(result.reason.detail ?? '', new RegExp(`sent: .*${name}.*\\nreceived: nothing`));
    }
    assert.ok((await qmp.closed) instanceof QmpGoneError);
    assert.equal(qmp.state, 'closed');
    await assert.rejects(qmp.execute('query-status'), QmpGoneError);
  },
);

test(
  'replies nobody waits for, without id or with a strange id change nothing',
  limits,
  async (t) => {
    const fake = await serve(t);
    fake.on('query-balloon', ({ connection }) => {
      for (const id of [undefined, null, 7, 'q99', {}, ['q2']])
        connection.send({ return: { actual: -1 }, id });
      connection.send({ error: { class: 'GenericError', desc: 'stray' } });
      return { actual: 5 };
    });
    await withQmp(fake.path, async (qmp) => {
      assert.deepEqual(await qmp.execute('query-balloon'), { actual: 5 });
    });
  },
);

test(
  'a line that is not JSON or is too long ends the connection with a protocol error',
  limits,
  async (t) => {
    for (const said of ['nonsense\n', '[1,2]\n', '42\n', '{}\n', 'x'.repeat(5000)]) {
      const fake = await serve(t);
      fake.on('query-status', ({ connection }) => {
        connection.raw(said);
        return NO_REPLY;
      });
      const qmp = await QmpClient.connect(fake.path, { maxLineBytes: 4000 });
      await assert.rejects(qmp.execute('query-status'), QmpProtocolError);
      assert.ok((await qmp.closed) instanceof QmpProtocolError);
    }
  },
);

test('a character split between two packets arrives whole', limits, async (t) => {
  const fake = await serve(t);
  fake.on('ringbuf-read', ({ connection, id }) => {
    const bytes = Buffer.from(`${JSON.stringify({ return: 'grüße 🖥', id })}\n`);
    const cut = bytes.indexOf(0xf0) + 2;
    connection.raw(bytes.subarray(0, cut));
    setTimeout(() => connection.raw(bytes.subarray(cut)), 5);
    return NO_REPLY;
  });
  await withQmp(fake.path, async (qmp) => {
    assert.equal(await qmp.execute('ringbuf-read', { device: 'rb', size: 9 }), 'grüße 🖥');
  });
});

test('withQmp closes the connection when the work fails', limits, async (t) => {
  const fake = await serve(t);
  let kept: QmpClient | undefined;
  const work = withQmp(fake.path, (qmp) => {
    kept = qmp;
    throw new Error('work');
  });
  await assert.rejects(work, { message: 'work' });
  assert.equal(kept?.state, 'closed');
});

test('patience is for all calls together, and only for what QEMU uses up', limits, async (t) => {
  const fake = await serve(t);
  fake.on('query-status', ({ id, connection }) => {
    setTimeout(() => connection.send({ id, return: RUNNING }), 300);
    return NO_REPLY;
  });
  await withQmp(
    fake.path,
    async (qmp) => {
      // The caller's own time.
      await sleep(1200);
      await qmp.execute('query-status');
      await assert.rejects(
        async () => {
          for (;;) await qmp.execute('query-status');
        },
        (error) => error instanceof QmpTimeoutError && error.command === 'query-status',
      );
    },
    { patienceMs: 1000 },
  );
  assert.ok(fake.commands.length <= 4, `${fake.commands.length} answers within 1 s`);
});
