import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Incarnation } from '../../../src/store/incarnation.ts';
import type { Ender, LastRun } from '../../../src/store/last-run.ts';
import type { VmEvent } from '../../../src/store/vm-events.ts';
import { parseVmName } from '../../../src/types.ts';
import { causeOf } from '../../../src/vm/explain/cause.ts';
import { eventLine } from '../../../src/vm/explain/event-words.ts';
import type { Facts } from '../../../src/vm/explain/facts.ts';
import type { Observation } from '../../../src/vm/observe.ts';
import { configOf } from '../../support/fleet/config.ts';

const run: Incarnation = {
  ...{ pid: 77, startTime: 1, bootId: 'boot' },
  runner: 'direct',
  accel: 'tcg',
  started_at: '2026-01-01T00:00:00.000Z',
};

const AT = '2026-01-01T01:00:00.000Z';
const event = (kind: VmEvent['kind'], detail?: string): VmEvent => ({
  ...{ kind, run: 'r', first: AT, at: AT, count: 1 },
  ...(detail === undefined ? {} : { detail }),
});

function facts(more: Partial<Facts>): Facts {
  return {
    ...{ name: parseVmName('web1'), config: configOf('web1', 1), record: undefined },
    ...{
      journal: undefined,
      backupKilled: false,
      busy: false,
      now: { state: 'stopped' },
      processState: undefined,
    },
    ...{
      failedDisks: [],
      attempts: undefined,
      last: undefined,
      everStarted: true,
      events: [],
      runEvents: [],
    },
    ...{ console: [], qemu: [], lastSign: null },
    ...more,
  };
}

const off = (end: LastRun['end'], runEvents: VmEvent[] = [], qemu: string[] = []) =>
  causeOf(facts({ last: { run, end }, runEvents, qemu }));

test('a VM that is off: the host’s own notes count more than what QEMU said, and that more than its files', () => {
  const quit = [event('shutdown', 'host-qmp-quit'), event('ended', 'announced')];
  for (const [by, cause] of [
    ['stop', 'stopped'],
    ['stop-all', 'stopped'],
    ['suspend', 'suspended'],
    ['kill', 'killed'],
    ['start', 'start-undone'],
    [undefined, 'stopped'],
  ] as [Ender | undefined, string][])
    assert.equal(causeOf(facts({ last: { run, end: 'asked', by }, runEvents: quit })).cause, cause);
  assert.equal(off('host-down').cause, 'host-down');
  for (const [reason, cause] of [
    ['guest-shutdown', 'powered-off'],
    ['host-qmp-quit', 'quit'],
    ['host-signal', 'signalled'],
    ['host-error', 'ended'],
  ] as const)
    assert.equal(off('in-order', [event('shutdown', reason)]).cause, cause, reason);
});

test('a VM that is off without a word: what was left behind decides, and doubt is told', () => {
  assert.equal(off('broken-off').cause, 'crashed');
  assert.equal(off('broken-off', [event('ended', 'unannounced')]).since, AT);
  assert.equal(off('broken-off', [event('ended', 'unseen')]).since, null);
  assert.match(off('broken-off', [event('panicked')]).text, /its guest had panicked before/);
  assert.equal(off('in-order', [event('ended', 'unannounced')]).cause, 'gave-up');
  const unseen = off('in-order');
  assert.equal(unseen.cause, 'ended');
  assert.match(unseen.text, /cannot be told for certain/);
  const words = ['qemu-system-x86_64: terminating on signal 15 from pid 12 (kill)'];
  assert.match(off('in-order', [], words).text, /signal 15 from process 12/);
});

test('without any note there is nothing to tell, and that is told', () => {
  assert.equal(causeOf(facts({})).cause, 'unknown');
  assert.equal(causeOf(facts({ everStarted: false })).cause, 'never-started');
});

const here = (now: Partial<Observation>, more: Partial<Facts> = {}) =>
  causeOf(facts({ now: { state: 'paused', incarnation: run, ...now }, ...more }));

test('a VM that is paused: by what, which disk, since when', () => {
  const paused = here({ qemuStatus: 'paused' }, { runEvents: [event('paused')] });
  assert.deepEqual([paused.cause, paused.since], ['paused', AT]);
  const failed = here(
    { qemuStatus: 'io-error' },
    {
      failedDisks: ['disk0'],
      runEvents: [event('io-error', 'disk: write: no space left on the host')],
    },
  );
  assert.equal(failed.cause, 'io-error');
  assert.match(failed.text, /a write to disk0 failed .*no space left/);
  assert.match(here({ qemuStatus: 'io-error' }).text, /a write to a disk failed/);
  for (const [qemuStatus, cause] of [
    ['guest-panicked', 'panicked'],
    ['internal-error', 'dead'],
    ['shutdown', 'dead'],
    ['suspended', 'asleep'],
    ['prelaunch', 'beginning'],
  ] as const)
    assert.equal(here({ qemuStatus }).cause, cause, qemuStatus);
});

test('a QEMU that does not answer: its process tells why, or nobody does', () => {
  const silent = (processState: string) => here({ state: 'unknown' }, { processState }).text;
  assert.match(silent('T'), /SIGSTOP/);
  assert.match(silent('D'), /storage/);
  assert.match(silent('R'), /cannot be told/);
});

test('an event is one line', () => {
  assert.equal(eventLine(event('ended', 'unannounced')), `${AT}  QEMU ended without a word`);
  assert.equal(
    eventLine({ ...event('answers'), silent_s: 2.5 }),
    `${AT}  QEMU answered again after 2.5 s`,
  );
  assert.equal(
    eventLine({ ...event('reset', 'guest-reset'), count: 3 }),
    `${AT}  the guest was reset (guest-reset), 3 times since ${AT}`,
  );
});
