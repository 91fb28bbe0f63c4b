import * as assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod/mini';
import { decodeBase64 } from '../../../src/qmp/agent/base64.ts';
import { AgentProtocolError } from '../../../src/qmp/agent/errors.ts';
import { isAgentOpen } from '../../../src/qmp/agent/is-open.ts';
import { readBalloonStats } from '../../../src/qmp/balloon.ts';
import { QmpProtocolError } from '../../../src/qmp/errors.ts';
import { exchangeOf } from '../../../src/qmp/transport/exchange.ts';
import { importShape } from '../../../src/qmp/transport/import.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { serve } from './fixture.ts';

const shape = z.object({
  list: z.array(z.object({ n: z.number().check(z.nonnegative()), kind: z.enum(['a', 'b']) })),
  opt: z.optional(z.boolean()),
});

test('a mismatch says where, what was expected and what was found', () => {
  const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  const cases: [unknown, string][] = [
    [null, 'it should be an object, found null'],
    [{}, 'list should be an array, found nothing'],
    [{ list: [{ n: 1, kind: 'a' }, 3] }, 'list[1] should be an object, found 3'],
    [{ list: [{ n: -1, kind: 'a' }] }, 'list[0].n should be 0 or more, found -1'],
    [
      { list: [{ n: 1, kind: 'c\u001b[2J' }] },
      'list[0].kind should be a or b, found "c\\u001b[2J"',
    ],
    [
      { list: [{ n: JSON.parse('1e999'), kind: 'a' }] },
      'list[0].n should be a number, found Infinity',
    ],
    [{ list: [], opt: deep }, 'opt should be a boolean, found an array'],
  ];
  for (const [input, mismatch] of cases) assert.deepEqual(importShape(shape, input), { mismatch });
  assert.deepEqual(importShape(shape, { list: [{ n: 2 ** 64, kind: 'b' }], more: 1 }), {
    value: { list: [{ n: 2 ** 64, kind: 'b' }] },
  });
});

test('base64 is taken strictly', () => {
  assert.equal(decodeBase64('', 'x').length, 0);
  assert.deepEqual(decodeBase64('AP8=', 'x'), Buffer.from([0, 255]));
  const large = Buffer.alloc(20_000_000, 0xab);
  assert.ok(decodeBase64(large.toString('base64'), 'x').equals(large));
  for (const wrong of ['A', 'AP8', 'AP8=\n', 'A===', '====', 'A=P8', '_-==', 'AP8\0', 'é==='])
    assert.throws(() => decodeBase64(wrong, 'out-data'), AgentProtocolError);
  assert.throws(() => decodeBase64('!', 'out-data'), /out-data/);
});

test('an exchange hides what may be secret', () => {
  const request = JSON.stringify({
    execute: 'guest-set-user-password',
    arguments: { username: 'u', password: 'c2VjcmV0', 'input-data': 'c2VjcmV0"c2VjcmV0' },
  });
  assert.doesNotMatch(exchangeOf(request, undefined), /c2VjcmV0/);
  const long = JSON.stringify({ arguments: { 'input-data': 'c2VjcmV0'.repeat(10_000) } });
  assert.doesNotMatch(exchangeOf(long, undefined), /c2VjcmV0/);
});

test('balloon statistics that the guest has not reported are undefined', async (t) => {
  const fake = await serve(t);
  const absent = 2 ** 64 - 1;
  let stats: Record<string, unknown> = { 'stat-total-memory': absent, 'stat-free-memory': absent };
  fake.on('qom-get', () => ({ 'last-update': stats['stat-x'] ?? 0, stats }));
  await withQmp(fake.path, async (qmp) => {
    const nothing = await readBalloonStats(qmp, '/machine/peripheral/balloon0');
    assert.ok(Object.values(nothing).every((value) => value === undefined));
    stats = { 'stat-x': 1700, 'stat-total-memory': 100, 'stat-available-memory': 40 };
    const some = await readBalloonStats(qmp, '/machine/peripheral/balloon0');
    assert.deepEqual(
      [some.updatedAt, some.totalBytes, some.availableBytes, some.freeBytes],
      [1700, 100, 40, undefined],
    );
    stats = { 'stat-total-memory': 'many' };
    await assert.rejects(readBalloonStats(qmp, '/x'), QmpProtocolError);
  });
});

test('whether the agent is open is read from its chardev', async (t) => {
  const fake = await serve(t);
  let open = false;
  fake.on('query-chardev', () => [
    { label: 'rb', filename: 'ringbuf', 'frontend-open': true },
    { label: 'qga', filename: 'unix:x', 'frontend-open': open },
  ]);
  await withQmp(fake.path, async (qmp) => {
    assert.equal(await isAgentOpen(qmp), false);
    open = true;
    assert.equal(await isAgentOpen(qmp), true);
    assert.equal(await isAgentOpen(qmp, { label: 'other' }), false);
  });
});
