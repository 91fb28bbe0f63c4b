import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSteps, type Step, UndoError } from '../../../src/vm/steps.ts';

test('steps are done in order', async () => {
  const log: string[] = [];
  await runSteps(steps(log), undefined, options());
  assert.deepEqual(log, ['do a', 'do b', 'do c']);
});

test('the failing step and those before it are undone in reverse', async () => {
  const log: string[] = [];
  await assert.rejects(runSteps(steps(log, { failing: 'b' }), undefined, options()), /b failed/);
  assert.deepEqual(log, ['do a', 'do b', 'undo b', 'undo a']);
});

test('a signal ends the work after the step that is under way, and it is undone', async () => {
  const log: string[] = [];
  const abort = new AbortController();
  const onStep = ({ step, phase }: { step: string; phase: string }): void => {
    if (step === 'b' && phase === 'done') abort.abort(new Error('interrupted'));
  };
  await assert.rejects(
    runSteps(steps(log), undefined, { ...options(abort.signal), onStep }),
    /interrupted/,
  );
  assert.deepEqual(log, ['do a', 'do b', 'undo b', 'undo a']);
});

test('a signal after the last step still undoes everything: the caller is gone', async () => {
  const log: string[] = [];
  const abort = new AbortController();
  const onStep = ({ step, phase }: { step: string; phase: string }): void => {
    if (step === 'c' && phase === 'done') abort.abort(new Error('interrupted'));
  };
  await assert.rejects(
    runSteps(steps(log), undefined, { ...options(abort.signal), onStep }),
    /interrupted/,
  );
  assert.equal(log.at(-1), 'undo a');
});

test('undoing ends where it fails, and both failures are told', async () => {
  const log: string[] = [];
  await assert.rejects(
    runSteps(steps(log, { failing: 'c', notUndoable: 'b' }), undefined, options()),
    (error: unknown) =>
      error instanceof UndoError &&
      /c failed; undoing it also failed: b: stuck/.test(error.message),
  );
  assert.deepEqual(log, ['do a', 'do b', 'do c', 'undo c']);
});

function steps(
  log: string[],
  faults: { failing?: string; notUndoable?: string } = {},
): Step<undefined>[] {
  return ['a', 'b', 'c'].map((name) => ({
    name,
    do() {
      log.push(`do ${name}`);
      if (name === faults.failing) throw new Error(`${name} failed`);
    },
    undo() {
      if (name === faults.notUndoable) throw new Error('stuck');
      log.push(`undo ${name}`);
    },
  }));
}

function options(signal = new AbortController().signal): {
  signal: AbortSignal;
  verbose: () => void;
} {
  return { signal, verbose: () => undefined };
}
