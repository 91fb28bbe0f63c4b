import type { Cgroup } from './group.ts';

/** Counters since the cgroup was made, all block devices together. */
export interface IoStat {
  readBytes: number;
  writtenBytes: number;
  reads: number;
  writes: number;
}

export function readIo(group: Cgroup): IoStat | undefined {
  const text = group.read('io.stat');
  if (text === undefined) return undefined;
  const sum = (key: string): number =>
    [...text.matchAll(new RegExp(`\\b${key}=(\\d+)`, 'g'))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    );
  return {
    readBytes: sum('rbytes'),
    writtenBytes: sum('wbytes'),
    reads: sum('rios'),
    writes: sum('wios'),
  };
}
