import * as assert from 'node:assert/strict';
import { test } from 'node:test';
import { QmpClient } from '../../../src/qmp/client.ts';
import { QmpGoneError, QmpProtocolError } from '../../../src/qmp/errors.ts';
import { importEvent } from '../../../src/qmp/events.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { serve } from './fixture.ts';

const limits = { timeout: 20_000 };
const soon = { deadlineMs: 10_000 };

test('known events are typed, unknown and malformed ones pass as raw', () => {
  const timestamp = { seconds: 1, microseconds: 500 };
  assert.deepEqual(
    importEvent('SHUTDOWN', { timestamp, data: { guest: true, reason: 'guest-shutdown', x: 1 } }),
    {
      kind: 'known',
      name: 'SHUTDOWN',
      data: { guest: true, reason: 'guest-shutdown' },
      timestampMs: 1000.5,
    },
  );
  assert.deepEqual(importEvent('NEWS', { data: [1] }), {
    kind: 'raw',
    name: 'NEWS',
    data: [1],
    timestampMs: undefined,
    problem: undefined,
  });
  const odd = importEvent('RESET', { data: { guest: 'no' } });
  assert.ok(odd.kind === 'raw');
  assert.equal(odd.problem, 'guest should be a boolean, found "no"');
});

test('once waits for the event that passes the filter', limits, async (t) => {
  const fake = await serve(t);
  await withQmp(fake.path, async (qmp) => {
    const closed = qmp.once('VSERPORT_CHANGE', { ...soon, filter: (e) => !e.data.open });
    fake.emit('VSERPORT_CHANGE', { id: 'qga', open: true });
    fake.emit('STOP');
    fake.emit('VSERPORT_CHANGE', { id: 'qga', open: false });
    assert.deepEqual((await closed).data, { id: 'qga', open: false });
  });
});

test(
  'once ends with a reason: deadline, abort, malformed event, a filter that throws, disconnect',
  limits,
  async (t) => {
    const fake = await serve(t);
    const qmp = await QmpClient.connect(fake.path);
    await assert.rejects(qmp.once('STOP', { deadlineMs: 30 }), {
      name: 'QmpTimeoutError',
      message: 'QEMU sent no STOP event within 30 ms',
    });
    const reason = new Error('enough');
    await assert.rejects(qmp.once('STOP', { ...soon, signal: AbortSignal.abort(reason) }), reason);
    const malformed = qmp.once('RESET', soon);
    const thrower = qmp.once('RESUME', {
      ...soon,
      filter: () => {
        throw reason;
      },
    });
    fake.emit('RESET', {});
    fake.emit('RESUME');
    await assert.rejects(malformed, QmpProtocolError);
    await assert.rejects(thrower, reason);
    const never = qmp.once('NEVER', { deadlineMs: Number.POSITIVE_INFINITY });
    fake.client.hangUp();
    await assert.rejects(never, QmpGoneError);
    await assert.rejects(qmp.once('STOP', soon), QmpGoneError);
  },
);

test('a once nobody comes back for does not end the process', limits, async (t) => {
  const fake = await serve(t);
  await withQmp(fake.path, (qmp) => {
    void qmp.once('STOP', { deadlineMs: 1 });
    void qmp.once('STOP', soon);
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
});

test('each listener sees every event from when it began, and the end', limits, async (t) => {
  const fake = await serve(t);
  const qmp = await QmpClient.connect(fake.path);
  const names = async (events: AsyncIterable<{ name: string }>) => {
    const seen: string[] = [];
    for await (const event of events) seen.push(event.name);
    return seen;
  };
  const first = names(qmp.events());
  const stopped = qmp.once('STOP', soon);
  fake.emit('STOP');
  await stopped;
  const second = names(qmp.events());
  fake.emit('RESUME');
  fake.emit('NEWS');
  fake.client.hangUp();
  assert.deepEqual(await first, ['STOP', 'RESUME', 'NEWS']);
  assert.deepEqual(await second, ['RESUME', 'NEWS']);
  assert.deepEqual(await names(qmp.events()), []);
});

test('unread events are bounded: the oldest are dropped and counted', limits, async (t) => {
  const fake = await serve(t);
  const qmp = await QmpClient.connect(fake.path);
  const events = qmp.events({ limit: 2 });
  for (const name of ['E1', 'E2', 'E3', 'E4', 'E5']) fake.emit(name);
  fake.client.hangUp();
  await qmp.closed;
  const seen: string[] = [];
  for await (const event of events) seen.push(event.name);
  assert.deepEqual(seen, ['E4', 'E5']);
  assert.equal(events.dropped, 3);
});

test('leaving the loop stops listening', limits, async (t) => {
  const fake = await serve(t);
  await withQmp(fake.path, async (qmp) => {
    const events = qmp.events();
    fake.emit('STOP');
    fake.emit('RESUME');
    for await (const _ of events) break;
    assert.equal((await events.next()).done, true);
  });
});
