import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { Paths } from '../../../src/host/paths.ts';
import { EventLog, MAX_EVENTS } from '../../../src/metrics/statd/event-log.ts';
import { noteMissedEnd, RunEvents } from '../../../src/metrics/statd/run-events.ts';
import { importEvent } from '../../../src/qmp/events.ts';
import { type Incarnation, incarnationKey } from '../../../src/store/incarnation.ts';
import { readVmEvents } from '../../../src/store/vm-events.ts';
import { parseVmName } from '../../../src/types.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const UUID = '9b2f6c1e-0000-4000-8000-000000000001';
const incarnation: Incarnation = {
  ...{ pid: 4_000_000, startTime: 1, bootId: 'boot' },
  runner: 'direct',
  accel: 'tcg',
  started_at: '2026-01-01T00:00:00.000Z',
};
const run = incarnationKey(incarnation);

function world(t: TestContext) {
  const directory = temporaryDirectory(t);
  const files = new Paths(directory, directory).vm(parseVmName('web1'));
  fs.mkdirSync(files.directory, { recursive: true });
  const file = { events: path.join(directory, 'web1'), lines: path.join(directory, '.web1.lines') };
  const log = new EventLog(file, UUID);
  t.after(() => log.close());
  const crashes: string[] = [];
  const onCrash = () => void crashes.push('crash');
  const events = new RunEvents(log, files, incarnation, onCrash);
  const hear = (name: string, data: object = {}) => events.heard(importEvent(name, { data }));
  const kinds = () => {
    log.close();
    return readVmEvents(file, UUID)?.map(({ kind, count }) => `${kind} ${count}`);
  };
  return { file, files, log, events, hear, kinds, crashes, onCrash };
}

test('a guest that does the same for ever is one entry, and crowds out nothing', (t) => {
  const { hear, kinds } = world(t);
  for (let i = 0; i < 1000; i++) {
    hear('RESET', { guest: true, reason: 'guest-reset' });
    hear('BLOCK_IO_ERROR', {
      device: '',
      'node-name': 'disk-image',
      operation: i % 2 === 0 ? 'write' : 'read',
      action: 'report',
      reason: 'Input/output error',
    });
  }
  // What happened last stands last: writes failed, a reset, reads failed.
  assert.deepEqual(kinds(), ['started 1', 'io-error 500', 'reset 1000', 'io-error 500']);
});

test('silence is noted once, with the last lines, and with its length when it ends', (t) => {
  const { events, files, file, log } = world(t);
  fs.writeFileSync(files.consoleLog, 'tiny guest: ready\n');
  events.looked(true, false);
  for (let i = 0; i < 3; i++) events.looked(false, true);
  const silent = readVmEvents(file, UUID)?.at(-1);
  assert.deepEqual([silent?.kind, silent?.count], ['silent', 1]);
  assert.deepEqual(silent?.console, ['tiny guest: ready']);
  for (let i = 0; i < 3; i++) events.looked(true, false);
  log.close();
  const answers = readVmEvents(file, UUID)?.at(-1);
  assert.deepEqual([answers?.kind, answers?.count], ['answers', 1]);
  assert.ok((answers?.silent_s ?? 100) < 100);
});

test('who has said that it ends is not called silent at once', (t) => {
  const { events, hear, kinds } = world(t);
  hear('SHUTDOWN', { guest: true, reason: 'guest-shutdown' });
  events.looked(true, false);
  events.looked(false, true);
  assert.deepEqual(kinds(), ['started 1', 'shutdown 1']);
});

test('what happens to the CPUs is noted once for each reason', (t) => {
  const { hear, kinds } = world(t);
  // A start ends with it.
  hear('RESUME');
  hear('STOP');
  hear('RESUME');
  hear('GUEST_PANICKED', { action: 'pause' });
  hear('GUEST_PANICKED', { action: 'pause' });
  hear('STOP');
  hear('SHUTDOWN', { guest: true, reason: 'guest-shutdown' });
  hear('STOP');
  assert.deepEqual(kinds(), ['started 1', 'paused 1', 'resumed 1', 'panicked 1', 'shutdown 1']);
});

test('an end tells whether it was announced, unannounced or not seen', (t) => {
  for (const [shutdown, watched, detail] of [
    [true, true, 'announced'],
    [true, false, 'announced'],
    [false, true, 'unannounced'],
    [false, false, 'unseen'],
  ] as const) {
    const { hear, events, file, crashes } = world(t);
    if (shutdown) hear('SHUTDOWN', { guest: true, reason: 'guest-shutdown' });
    events.ended(watched);
    assert.equal(readVmEvents(file, UUID)?.at(-1)?.detail, detail);
    assert.equal(crashes.length, shutdown ? 0 : 1);
    // Whoever sees the process go takes a second look.
    events.ended(!watched);
    assert.equal(readVmEvents(file, UUID)?.at(-1)?.detail, detail);
    assert.equal(crashes.length, shutdown ? 0 : 1);
  }
});

test('words of QEMU are bounded and harmless', (t) => {
  const { hear, events, file } = world(t);
  hear('SHUTDOWN', { guest: true, reason: `\u001b[2J${'x'.repeat(100_000)}` });
  events.ended(true);
  const detail = readVmEvents(file, UUID)?.find(({ kind }) => kind === 'shutdown')?.detail ?? '';
  assert.match(detail, /^\\u001b\[2Jx{40,60}$/);
});

test('the next sampler goes on with the same run, and finds an end it has missed', (t) => {
  const { log, file, files, crashes, onCrash } = world(t);
  log.close();
  const next = new EventLog(file, UUID);
  noteMissedEnd(next, files, incarnation, onCrash);
  noteMissedEnd(next, files, incarnation, onCrash);
  assert.equal(crashes.length, 1);
  const found = readVmEvents(file, UUID) ?? [];
  assert.deepEqual(
    found.map(({ kind, detail }) => [kind, detail]),
    [
      ['started', undefined],
      ['ended', 'unseen'],
    ],
  );
  // Of a run that nobody saw there is nothing to be said.
  noteMissedEnd(next, files, { ...incarnation, pid: 4_000_001 }, onCrash);
  assert.equal(readVmEvents(file, UUID)?.length, 2);
});

test('the list is bounded, and another VM of the name has no part in it', (t) => {
  const { log, file } = world(t);
  for (let i = 0; i < 100; i++) log.note({ kind: 'started', run: `${run}-${i}` }, true);
  assert.equal(readVmEvents(file, UUID)?.length, MAX_EVENTS);
  assert.equal(readVmEvents(file, UUID.replace('1', '2')), undefined);
  for (const text of ['', '{', '[]', `{"uuid":"${UUID}","events":[{}]}`, '\0'.repeat(2 ** 21)]) {
    fs.writeFileSync(file.events, text);
    assert.equal(readVmEvents(file, UUID), undefined);
  }
});

test('what was said is kept from those who may not read it', (t) => {
  const { events, files, file } = world(t);
  fs.writeFileSync(files.consoleLog, 'a secret\n');
  events.ended(true);
  assert.deepEqual(readVmEvents(file, UUID)?.at(-1)?.console, ['a secret']);
  assert.ok(!fs.readFileSync(file.events, 'utf8').includes('secret'));
  assert.equal(fs.statSync(file.lines).mode & 0o777, 0o640);
  assert.equal(fs.statSync(file.events).mode & 0o777, 0o644);
  fs.rmSync(file.lines);
  assert.equal(readVmEvents(file, UUID)?.at(-1)?.console, undefined);
});

test('what becomes known after the end is not written where the files are gone', (t) => {
  const { log, file, hear } = world(t);
  hear('RESET', { guest: true, reason: 'guest-reset' });
  log.close();
  fs.rmSync(file.events);
  log.note({ kind: 'ended', run: 'r' }, true);
  log.amend('r', 'ended', { console: ['late'] });
  assert.equal(fs.existsSync(file.events), false);
});
