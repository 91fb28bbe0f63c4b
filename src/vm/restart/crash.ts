import { incarnationKey } from '../../store/incarnation.ts';
import { isWantedOff, type LastRun, lastRun } from '../../store/last-run.ts';
import type { VmName } from '../../types.ts';
import { processesOf } from '../end-qemu.ts';
import type { RootContext } from '../host.ts';
import { observe } from '../observe.ts';
import { type Attempts, readAttempts } from './attempts.ts';
import type { CrashedRun } from './plan.ts';

export interface Crash extends CrashedRun {
  /** QEMU lives and keeps the guest that died: it has to be ended first. */
  isAlive: boolean;
}

/** QEMU's words for a guest that only a new start brings back. */
const DEAD = new Set(['guest-panicked', 'internal-error']);

/**
 * The crash that a VM lies in, by the host's own facts; undefined when it runs, was ended on purpose, powered itself
 * off, or may still have a process. In doubt it is none.
 */
export async function crashOf(
  context: Pick<RootContext, 'paths'>,
  name: VmName,
): Promise<Crash | undefined> {
  const files = context.paths.vm(name);
  const last = lastRun(files);
  if (last === undefined) return undefined;
  const crash = { run: incarnationKey(last.run), startedAtMs: Date.parse(last.run.started_at) };
  if (last.end === 'goes-on') {
    const { state, qemuStatus = '' } = await observe(context, name);
    return state === 'paused' && DEAD.has(qemuStatus) ? { ...crash, isAlive: true } : undefined;
  }
  if (!isCrash(last, readAttempts(context.paths, name)) || processesOf(files).length > 0)
    return undefined;
  return { ...crash, isAlive: false };
}

function isCrash({ run, end, by }: LastRun, known: Attempts | undefined): boolean {
  if (isWantedOff(by)) return false;
  if (known !== undefined && isKnown(known, incarnationKey(run))) return true;
  // A dead guest that was ended to be started anew, and has not been.
  return end === 'asked' ? by === 'restart-crashed' : end === 'broken-off';
}

/** What was a crash stays one, and so does what an attempt to mend it has left when it died, however that ended. */
function isKnown({ crashed, started, state }: Attempts, run: string): boolean {
  return run === crashed || (state === 'trying' && run === started);
}
