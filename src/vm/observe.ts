import type { VmFiles } from '../host/paths.ts';
import { machineState } from '../qmp/run-state.ts';
import { withQmp } from '../qmp/with-qmp.ts';
import { ElsewhereError, type Incarnation, runningIncarnation } from '../store/incarnation.ts';
import type { VmName } from '../types.ts';
import type { RootContext } from './host.ts';

/** `unknown`: QEMU is alive but does not answer, so nobody can tell. */
export type VmState = 'running' | 'paused' | 'stopped' | 'unknown';

export interface Observation {
  state: VmState;
  /** QEMU's own word (RunState of qapi/run-state.json), such as `io-error` or `guest-panicked`. */
  qemuStatus?: string;
  incarnation?: Incarnation;
}

/** A healthy QEMU answers in a few milliseconds. */
const DEADLINE_MS = 1000;

/** The state of a VM as QEMU tells it. Never throws for a VM that is off or hangs. */
export function observe(
  context: Pick<RootContext, 'paths'>,
  name: VmName,
  deadlineMs = DEADLINE_MS,
): Promise<Observation> {
  return observeBy('probe', context, name, deadlineMs);
}

/**
 * By the monitor that verbs use. A monitor serves one client at a time: when the one for observers is silent, this
 * tells a QEMU that hangs from one whose monitor somebody else holds.
 */
export function observeAnew(
  context: Pick<RootContext, 'paths'>,
  name: VmName,
): Promise<Observation> {
  return observeBy('qmp', context, name, DEADLINE_MS);
}

async function observeBy(
  monitor: 'probe' | 'qmp',
  { paths }: Pick<RootContext, 'paths'>,
  name: VmName,
  deadlineMs: number,
): Promise<Observation> {
  const files = paths.vm(name);
  const seen = look(files);
  if (seen === undefined) return { state: 'stopped' };
  try {
    const { status } = await withQmp(files[monitor], (qmp) => qmp.execute('query-status'), {
      patienceMs: deadlineMs,
    });
    return { state: machineState(status), qemuStatus: status, ...seen };
  } catch {
    // It may have ended between the two looks.
    return look(files) === undefined ? { state: 'stopped' } : { state: 'unknown', ...seen };
  }
}

/** Undefined when it is off. One that runs where its process is not seen may still be asked. */
function look(files: VmFiles): Pick<Observation, 'incarnation'> | undefined {
  try {
    const incarnation = runningIncarnation(files);
    return incarnation === undefined ? undefined : { incarnation };
  } catch (error) {
    if (error instanceof ElsewhereError) return {};
    throw error;
  }
}

/** Why a guest does not run though nobody asked for that, where QEMU tells; else undefined. */
export function reasonOf({ state, qemuStatus }: Observation): string | undefined {
  if (state === 'unknown') return 'QEMU is alive but does not answer';
  return qemuStatus === undefined ? undefined : REASONS[qemuStatus];
}

const REASONS: Record<string, string> = {
  'io-error': 'it waits for room: its disk could not be written, the file system is full',
  'guest-panicked': 'its guest has panicked',
  'internal-error': 'QEMU says internal-error',
};

/** QEMU's words for a guest that has not had its first instruction. */
export function isBeginning(qemuStatus: string): boolean {
  return qemuStatus === 'prelaunch' || qemuStatus === 'inmigrate';
}
