import * as fs from 'node:fs';
import { uptimeSeconds } from './uptime.ts';

/**
 * A process that cannot be mistaken for another: pids are reused, (boot, pid, start time) is not.
 * `startTime` is field 22 of /proc/PID/stat, in clock ticks since boot (proc_pid_stat(5)).
 */
export interface ProcessIdentity {
  pid: number;
  startTime: number;
  bootId: string;
}

let bootIdCache: string | undefined;

/** The kernel's id of this boot (random(4), /proc/sys/kernel/random/boot_id). */
export function bootId(): string {
  bootIdCache ??= fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootIdCache;
}

/** Its inode number is the same on every host (PROC_PID_INIT_INO, linux/proc_ns.h). */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

/** Whether all of the host's processes are seen: not in a container. */
export function inFirstPidNamespace(): boolean {
  return pidNamespace() === FIRST_PID_NAMESPACE;
}

/** Names the process namespace that this process sees: a pid means the same only there. */
export function pidNamespace(): string {
  return fs.readlinkSync('/proc/self/ns/pid');
}

export interface ProcessStat {
  state: string;
  /** User and system time of the whole process, all threads, in clock ticks. */
  cpuTicks: number;
  startTime: number;
}

/** Linux reports process times to user space in 1/100 s on every architecture (USER_HZ). */
export const TICKS_PER_SECOND = 100;

/** What /proc/PID/stat says, or undefined when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  return parseProcessStat(text);
}

/** @param text of /proc/PID/stat (proc_pid_stat(5)) */
export function parseProcessStat(text: string): ProcessStat {
  // The command name is in parentheses and may itself hold spaces and parentheses: count from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? '?',
    cpuTicks: Number(fields[11]) + Number(fields[12]),
    startTime: Number(fields[19]),
  };
}

export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readProcessStat(pid);
  if (stat === undefined) return undefined;
  return { pid, startTime: stat.startTime, bootId: bootId() };
}

/** This process as others see it. */
export function selfIdentity(): ProcessIdentity {
  const self = identify(process.pid);
  if (self === undefined) throw new Error('/proc does not show this process');
  return self;
}

/**
 * Whether exactly this process is still running. A zombie has ended, and holds no file, socket or memory, unless only
 * its first thread has: the others go on (pthread_exit(3) in main).
 */
export function isRunning(process: ProcessIdentity): boolean {
  if (process.bootId !== bootId()) return false;
  const stat = readProcessStat(process.pid);
  if (stat === undefined || stat.startTime !== process.startTime || stat.state === 'X')
    return false;
  return stat.state !== 'Z' || hasMoreThreads(process.pid);
}

function hasMoreThreads(pid: number): boolean {
  try {
    return fs.readdirSync(`/proc/${pid}/task`).length > 1;
  } catch {
    return false;
  }
}

/** SIGKILL for exactly these processes. Whether they are gone is to be looked at afterwards. */
export function kill(processes: readonly ProcessIdentity[]): void {
  for (const { pid } of processes.filter(isRunning)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended in between, or is somebody else's: it shows by whether it is gone.
    }
  }
}

/** Seconds since this process was started, on the boot-time clock. */
export function ageSeconds(process: ProcessIdentity): number {
  return Math.max(0, uptimeSeconds() - process.startTime / TICKS_PER_SECOND);
}
