import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attempts } from '../../../src/vm/restart/attempts.ts';
import { afterFailure, BACKOFF, type CrashedRun, planFor } from '../../../src/vm/restart/plan.ts';

const NOW = Date.parse('2026-01-01T12:00:00.000Z');

const crash = (run: string, ranMs = 5000, nowMs = NOW): CrashedRun => ({
  run,
  startedAtMs: nowMs - ranMs,
});

/** An attempt for `known` that succeeds with a run of this name. */
const started = (known: Attempts, run: string): Attempts => ({
  ...known,
  attempts: known.attempts + 1,
  state: 'started',
  started: run,
  due_at: null,
});

const pauseMs = (plan: Attempts, nowMs = NOW): number => Date.parse(plan.due_at ?? '') - nowMs;

test('each crash soon after an attempt waits longer, and in the end it is given up', () => {
  let known: Attempts | undefined;
  const pauses: number[] = [];
  for (let i = 0; i < BACKOFF.pausesMs.length; i++) {
    const plan = planFor(known, crash(`run ${i}`), NOW);
    assert.equal(plan.state, 'waiting');
    pauses.push(pauseMs(plan));
    known = started(plan, `run ${i + 1}`);
  }
  assert.deepEqual(pauses, [1000, 10_000, 60_000, 300_000]);
  const last = planFor(known, crash(`run ${BACKOFF.pausesMs.length}`), NOW);
  assert.deepEqual([last.state, last.due_at], ['gave-up', null]);
  // It stays so, however often it is looked at.
  assert.equal(planFor(last, crash(last.crashed), NOW + 1e9), last);
});

test('a VM that ran for ten minutes is well again, and so is one that a person started', () => {
  const third = { ...planFor(undefined, crash('a'), NOW), attempts: 2 };
  const known = started(third, 'b');
  assert.equal(planFor(known, crash('b', 599_000), NOW).attempts, 3);
  assert.equal(planFor(known, crash('b', 600_000), NOW).attempts, 0);
  assert.equal(planFor(known, crash('somebody’s', 1000), NOW).attempts, 0);
  const gaveUp = planFor(started({ ...third, attempts: 3 }, 'b'), crash('b'), NOW);
  assert.equal(gaveUp.state, 'gave-up');
  assert.equal(pauseMs(planFor(gaveUp, crash('somebody’s'), NOW)), 1000);
});

test('who looks again at the same crash finds the same time', () => {
  const plan = planFor(undefined, crash('a'), NOW);
  assert.equal(planFor(plan, crash('a'), NOW + 500), plan);
  assert.equal(planFor(plan, crash('a'), NOW + 1e6), plan);
});

test('an attempt that fails, or dies, counts', () => {
  const plan = planFor(undefined, crash('a'), NOW);
  const failed = afterFailure({ ...plan, attempts: 1 }, 'no port is free', NOW);
  assert.deepEqual([failed.state, failed.error], ['failed', 'no port is free']);
  assert.equal(pauseMs(failed), 10_000);
  assert.equal(planFor(failed, crash('a'), NOW), failed);
  const died: Attempts = { ...plan, attempts: 1, state: 'trying', due_at: null };
  assert.equal(pauseMs(planFor(died, crash('a'), NOW)), 10_000);
  const last = afterFailure({ ...plan, attempts: BACKOFF.pausesMs.length }, 'no', NOW);
  assert.deepEqual([last.state, last.due_at, last.error], ['gave-up', null, 'no']);
});

test('a clock that was set back puts nothing off', () => {
  const plan = planFor(undefined, crash('a'), NOW);
  const dayBefore = NOW - 86_400_000;
  assert.equal(pauseMs(planFor(plan, crash('a'), dayBefore), dayBefore), 1000);
});
