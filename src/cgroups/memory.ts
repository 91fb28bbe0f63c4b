import { keyed } from './flat-keyed.ts';
import type { Cgroup } from './group.ts';

export interface MemoryStat {
  /** What is charged to it now, page cache included, bytes. */
  currentBytes: number | null;
  /** What is not backed by a file: guest memory and QEMU's own, bytes. */
  anonymousBytes: number | null;
  /** Processes of it that the kernel killed for want of memory, since it was made. */
  oomKills: number | null;
}

export function readMemory(group: Cgroup): MemoryStat | undefined {
  const current = group.read('memory.current');
  if (current === undefined) return undefined;
  return {
    currentBytes: Number.parseInt(current, 10),
    anonymousBytes: keyed(group.read('memory.stat') ?? '', 'anon'),
    oomKills: keyed(group.read('memory.events') ?? '', 'oom_kill'),
  };
}
