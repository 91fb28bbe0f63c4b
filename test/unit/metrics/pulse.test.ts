import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readThreads, type ThreadTimes } from '../../../src/host/threads.ts';
import { type CpuTimes, isStarved } from '../../../src/metrics/starvation.ts';
import { Pulse, TICK_MS } from '../../../src/metrics/statd/pulse.ts';

const MS = 1e6;
const STILL: ThreadTimes = { state: 'S', ranNs: 7 * MS, waitedNs: 3 * MS };

function times(atMs: number, thread: Partial<ThreadTimes> = {}, throttledMs = 0): CpuTimes {
  const threads = new Map([['1', { ...STILL, ...thread }]]);
  return { atMs, threads, throttledUsec: throttledMs * 1000 };
}

/** A QEMU that answers nothing; what it gets of the CPU is told by the number of the reading. */
function silent(read: (reading: number) => CpuTimes): (ticks: number) => string[] {
  let [readings, ticked] = [0, 0];
  const pulse = new Pulse(() => read(readings++));
  return (ticks) => {
    const acts: string[] = [];
    for (let i = 0; i < ticks; i++) {
      ticked += 1;
      const act = pulse.tick();
      if (act !== undefined) acts.push(`${act} ${ticked * TICK_MS}`);
    }
    return acts;
  };
}

test('one that answers nothing is asked once, and found within a second', () => {
  const ticks = silent((reading) => times(reading * 150));
  assert.deepEqual(ticks(1000), ['ask 700', 'hung 900']);
});

test('one that spins answers nothing either', () => {
  const ticks = silent((reading) => times(reading * 150, { state: 'R', ranNs: reading * 80 * MS }));
  assert.deepEqual(ticks(1000), ['ask 700', 'hung 900']);
});

test('an answer begins it anew, and no CPU is read of one that gives it', () => {
  const pulse = new Pulse(() => assert.fail('read'));
  for (let round = 0; round < 3; round++) {
    for (let i = 1; i < 14; i++) assert.equal(pulse.tick(), undefined);
    assert.equal(pulse.tick(), 'ask');
    pulse.heard();
  }
});

test('one that was found is asked again once it has answered', () => {
  let readings = 0;
  const pulse = new Pulse(() => times(150 * readings++));
  const ticks = () => Array.from({ length: 40 }, () => pulse.tick()).filter(Boolean);
  assert.deepEqual(ticks(), ['ask', 'hung']);
  assert.ok(pulse.isHung);
  pulse.heard();
  assert.ok(!pulse.isHung);
  assert.deepEqual(ticks(), ['ask', 'hung']);
});

test('one that gets no CPU is not called hung until it gets some and is silent still', () => {
  const starving = (reading: number) => times(reading * 150, { state: 'R' });
  assert.deepEqual(silent(starving)(1000), ['ask 700']);
  const ticks = silent((reading) => (reading < 3 ? starving(reading) : times(reading * 150)));
  assert.deepEqual(ticks(1000), ['ask 700', 'hung 1500']);
});

test('want of CPU is told from having nothing to do', () => {
  const cases: [string, boolean, Partial<ThreadTimes>, Partial<ThreadTimes>, number?][] = [
    ['sleeps', false, {}, {}],
    ['was stopped', false, { state: 'T' }, { state: 'T' }],
    ['waits for storage', false, { state: 'D' }, { state: 'D' }],
    ['was woken at the last moment', false, { state: 'S' }, { state: 'R' }],
    ['ready all the time, and not run', true, { state: 'R' }, { state: 'R' }],
    ['its share, with others', false, { state: 'R' }, { state: 'R', ranNs: 57 * MS }],
    ['hardly ran and waited for long', true, {}, { ranNs: 8 * MS, waitedNs: 83 * MS }],
    ['waited a little', false, {}, { ranNs: 8 * MS, waitedNs: 23 * MS }],
    ['held back by its limit', true, {}, { ranNs: 57 * MS }, 50],
    ['held back a little', false, {}, { ranNs: 57 * MS }, 5],
  ];
  for (const [what, expected, before, now, throttledMs] of cases)
    assert.equal(isStarved(times(0, before), times(150, now, throttledMs)), expected, what);
});

test('waits of several threads that follow one another count together', () => {
  const read = (atMs: number, waitedNs: number): CpuTimes => {
    const threads = new Map(['1', '2'].map((id) => [id, { ...STILL, waitedNs }]));
    return { atMs, threads, throttledUsec: null };
  };
  assert.ok(isStarved(read(0, 0), read(150, 40 * MS)));
  assert.ok(!isStarved(read(0, 0), read(150, 20 * MS)));
});

test('what the kernel tells of the threads of a process is read', () => {
  const threads = readThreads(process.pid);
  const main = threads.get(String(process.pid));
  assert.equal(main?.state, 'R');
  assert.ok(threads.size > 1);
  for (const { ranNs, waitedNs } of threads.values()) assert.ok(ranNs >= 0 && waitedNs >= 0);
  assert.equal(readThreads(4_194_304).size, 0, 'no pid is so high');
});
