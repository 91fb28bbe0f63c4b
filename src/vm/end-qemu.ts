import type { VmFiles } from '../host/paths.ts';
import { isRunning, kill, type ProcessIdentity } from '../host/process.ts';
import { poll } from '../host/time.ts';
import { withQmp } from '../qmp/with-qmp.ts';
import { ElsewhereError, findQemuProcesses, runningIncarnation } from '../store/incarnation.ts';
import type { Ended } from './root-side.ts';

/**
 * Ends every QEMU of this VM, noted or not. `gone` means that they are proved gone.
 * @param before called when there is something to end.
 */
export async function endQemu(
  files: VmFiles,
  how: 'quit' | 'kill',
  waitMs: number,
  before?: () => void,
): Promise<Ended> {
  const processes = processesOf(files);
  if (processes.length === 0) return { ran: false, gone: true };
  before?.();
  if (how === 'quit') await askToQuit(files, waitMs);
  else kill(processes);
  return { ran: true, gone: await gone(processes, waitMs) };
}

/** Resolves true as soon as none of the processes runs, false at the deadline. */
export async function gone(
  processes: readonly ProcessIdentity[],
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const probe = (): true | undefined => (processes.some(isRunning) ? undefined : true);
  // At first often, for what ends at once; a guest that shuts down takes seconds.
  const soon = await poll(probe, { deadlineMs: Math.min(deadlineMs, 200), everyMs: 4, signal });
  if (soon === true || deadlineMs <= 200) return soon === true;
  return (await poll(probe, { deadlineMs: deadlineMs - 200, everyMs: 40, signal })) === true;
}

/** @throws ElsewhereError when none is seen, and one may run where none would be. */
export function processesOf(files: VmFiles): ProcessIdentity[] {
  const found = findQemuProcesses(files);
  const noted = notedProcess(files, found.length > 0);
  if (noted !== undefined && !found.some(({ pid }) => pid === noted.pid)) found.push(noted);
  return found;
}

/** A damaged note must not keep anybody from ending the VM: its process was found without it. */
function notedProcess(files: VmFiles, isFound: boolean): ProcessIdentity | undefined {
  try {
    return runningIncarnation(files);
  } catch (error) {
    if (error instanceof ElsewhereError && !isFound) throw error;
    return undefined;
  }
}

async function askToQuit(files: VmFiles, deadlineMs: number): Promise<void> {
  try {
    await withQmp(files.qmp, (qmp) => qmp.execute('quit', undefined, { deadlineMs }), {
      deadlineMs,
      patienceMs: deadlineMs,
    });
  } catch {
    // Not answering, or gone before it could answer: what counts is whether it ends.
  }
}
