import { messageOf, ProvisionerError } from '../errors.ts';
import type { Report } from '../types.ts';

/** One thing that is done to the host, and how to take it back. */
export interface Step<Context> {
  name: string;
  do(context: Context): Promise<void> | void;
  /** Also called when `do` failed half-way, so it copes with nothing or a part being there. */
  undo?(context: Context): Promise<void> | void;
}

export type StepObserver = (moment: { step: string; phase: 'do' | 'done' | 'undo' }) => void;

/** Steps failed, and so did taking them back: something is left that a later verb has to finish. */
export class UndoError extends ProvisionerError {}

export interface RunStepsOptions {
  signal: AbortSignal;
  verbose: Report;
  /** Told of each step before it begins; the journal listens here. */
  onStep?: StepObserver | undefined;
}

/**
 * Does the steps in order. When one fails, or the signal is aborted, those begun are undone in reverse
 * and the first error is thrown. Undoing ends at the first step that cannot be undone.
 */
export async function runSteps<Context>(
  steps: readonly Step<Context>[],
  context: Context,
  options: RunStepsOptions,
): Promise<void> {
  const begun: Step<Context>[] = [];
  try {
    for (const step of steps) {
      options.signal.throwIfAborted();
      begun.push(step);
      options.verbose(`step: ${step.name}`);
      options.onStep?.({ step: step.name, phase: 'do' });
      await step.do(context);
      options.onStep?.({ step: step.name, phase: 'done' });
    }
    options.signal.throwIfAborted();
  } catch (error) {
    const left = await undo(begun.reverse(), context, options);
    if (left === undefined) throw error;
    throw new UndoError(`${messageOf(error)}; undoing it also failed: ${left}`, {
      hint: 'run destroy for this VM to finish the clean-up',
      cause: error,
    });
  }
}

async function undo<Context>(
  steps: readonly Step<Context>[],
  context: Context,
  options: RunStepsOptions,
): Promise<string | undefined> {
  for (const step of steps) {
    if (step.undo === undefined) continue;
    options.verbose(`undo: ${step.name}`);
    try {
      options.onStep?.({ step: step.name, phase: 'undo' });
      await step.undo(context);
    } catch (error) {
      // What comes next may not be done before this: a disk is not removed while its QEMU lives.
      return `${step.name}: ${messageOf(error)}`;
    }
  }
  return undefined;
}
