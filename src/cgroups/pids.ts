import type { Cgroup } from './group.ts';

export interface PidsStat {
  /** Processes and threads in it now. */
  current: number;
}

export function readPids(group: Cgroup): PidsStat | undefined {
  const text = group.read('pids.current');
  return text === undefined ? undefined : { current: Number.parseInt(text, 10) };
}
