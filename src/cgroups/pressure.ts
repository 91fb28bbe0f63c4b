import type { Cgroup } from './group.ts';

/** How long some of its processes waited for the resource (PSI; psi.rst of the kernel). */
export interface Pressure {
  /** Counter, µs. */
  totalUsec: number;
  /** Share of the last 10 s, 0 to 100. */
  percent10s: number;
}

export function readPressure(
  group: Cgroup,
  resource: 'cpu' | 'memory' | 'io',
): Pressure | undefined {
  const text = group.read(`${resource}.pressure`) ?? '';
  const [, percent, total] = /^some avg10=([\d.]+) .*\btotal=(\d+)$/m.exec(text) ?? [];
  if (percent === undefined || total === undefined) return undefined;
  return { totalUsec: Number(total), percent10s: Number(percent) };
}
