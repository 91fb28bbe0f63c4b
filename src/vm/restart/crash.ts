import { incarnationKey } from '../../store/incarnation.ts';
import { isWantedOff, type LastRun, lastRun } from '../../store/last-run.ts';
import type { VmName } from '../../types.ts';
import { processesOf } from '../end-qemu.ts';
import type { RootContext } from '../host.ts';
import { observe } from '../observe.ts';
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
  if (!isCrash(last) || processesOf(files).length > 0) return undefined;
  return { ...crash, isAlive: false };
}

function isCrash({ end, by }: LastRun): boolean {
  // A dead guest that was ended to be started anew, and has not been.
  if (end === 'asked') return by === 'restart-crashed';
  return end === 'broken-off' && !isWantedOff(by);
}
