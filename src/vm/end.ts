import { ProvisionerError } from '../errors.ts';
import type { VmFiles } from '../host/paths.ts';
import { isRunning, type ProcessIdentity } from '../host/process.ts';
import { poll } from '../host/time.ts';
import { withQmp } from '../qmp/with-qmp.ts';
import { findQemuProcesses, runningIncarnation } from '../store/incarnation.ts';

export type Rung = 'absent' | 'quit' | 'killed';

export interface EndOptions {
  /** Milliseconds for QEMU to end by itself after `quit`, flushing its caches; 0 kills at once. */
  graceMs: number;
}

/** How long the kernel may take to end a process after SIGKILL; longer means it hangs in the kernel. */
const KILL_DEADLINE_MS = 10_000;

/**
 * Ends every QEMU of this VM, noted or not, and returns only when they are proved gone.
 * @throws ProvisionerError when one survives SIGKILL; nothing of the VM may be removed then.
 */
export async function endQemu(files: VmFiles, options: EndOptions): Promise<Rung> {
  const processes = processesOf(files);
  if (processes.length === 0) return 'absent';
  if (options.graceMs > 0 && (await quit(files, processes, options.graceMs))) return 'quit';
  for (const { pid } of processes.filter(isRunning)) signalProcess(pid, 'SIGKILL');
  if (await gone(processes, KILL_DEADLINE_MS)) return 'killed';
  const pids = processes.filter(isRunning).map(({ pid }) => pid);
  throw new ProvisionerError(`QEMU (pid ${pids.join(', ')}) does not end, even by SIGKILL`, {
    hint: 'its storage probably hangs: look at the kernel log, then try again',
  });
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

export function processesOf(files: VmFiles): ProcessIdentity[] {
  const found = findQemuProcesses(files);
  const noted = notedProcess(files);
  if (noted !== undefined && !found.some(({ pid }) => pid === noted.pid)) found.push(noted);
  return found;
}

/** A damaged note must not keep anybody from ending the VM: its process was found without it. */
function notedProcess(files: VmFiles): ProcessIdentity | undefined {
  try {
    return runningIncarnation(files);
  } catch {
    return undefined;
  }
}

async function quit(
  files: VmFiles,
  processes: readonly ProcessIdentity[],
  graceMs: number,
): Promise<boolean> {
  try {
    await withQmp(files.qmp, (qmp) => qmp.execute('quit', undefined, { deadlineMs: graceMs }), {
      deadlineMs: graceMs,
    });
  } catch {
    // Not answering, or gone before it could answer: what counts is whether it ends.
  }
  return await gone(processes, graceMs);
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in between; whether it is gone is checked by identity afterwards.
  }
}
