import * as fs from 'node:fs';
import { parseProcessStat } from './process.ts';

/** What the scheduler has given one thread since it began. */
export interface ThreadTimes {
  /** Letter of /proc/PID/task/TID/stat (proc_pid_stat(5)): R runs, or waits for a CPU. */
  state: string;
  /** On a CPU, ns; zero on a kernel without schedstats. */
  ranNs: number;
  /** Waiting for a CPU, ns; a wait that goes on is counted when it ends. */
  waitedNs: number;
}

/** All threads of a process by their ids (sched-stats.rst of the kernel); none when it is gone. */
export function readThreads(pid: number): Map<string, ThreadTimes> {
  const directory = `/proc/${pid}/task`;
  const threads = new Map<string, ThreadTimes>();
  for (const id of list(directory)) {
    const stat = read(`${directory}/${id}/stat`);
    if (stat === undefined) continue;
    const [ran, waited] = read(`${directory}/${id}/schedstat`)?.split(' ') ?? [];
    const { state } = parseProcessStat(stat);
    threads.set(id, { state, ranNs: Number(ran ?? 0), waitedNs: Number(waited ?? 0) });
  }
  return threads;
}

function list(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

/** Undefined for a thread that has ended, or a file the kernel does not have. */
function read(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    return undefined;
  }
}
