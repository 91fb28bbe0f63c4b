import type { Attempts } from './attempts.ts';

export interface Backoff {
  /** Milliseconds before the first attempt, the second, …; after the last one it is given up. */
  pausesMs: readonly number[];
  /** A VM that ran for so long is well again: counting begins anew. */
  wellMs: number;
}

export const BACKOFF: Backoff = {
  pausesMs: [1000, 10_000, 60_000, 300_000],
  wellMs: 600_000,
};

export interface CrashedRun {
  /** incarnationKey. */
  run: string;
  startedAtMs: number;
}

/**
 * Where a crash leads: to the attempt that is due next, or to giving up. `known` is what was noted before.
 * @returns what is to be noted now; `known` itself when nothing is new.
 */
export function planFor(
  known: Attempts | undefined,
  { run, startedAtMs }: CrashedRun,
  nowMs: number,
  { pausesMs, wellMs }: Backoff = BACKOFF,
): Attempts {
  if (known?.crashed === run) {
    // An attempt that died left it so: it counts.
    return known.state === 'trying' || known.state === 'started'
      ? next(known, nowMs, pausesMs)
      : bounded(known, nowMs, pausesMs);
  }
  const isOurs = known?.started === run && nowMs - startedAtMs < wellMs;
  const attempts = isOurs ? known.attempts : 0;
  const began = { crashed: run, started: null, attempts, error: null };
  return next({ ...began, at: iso(nowMs), state: 'waiting', due_at: null }, nowMs, pausesMs);
}

/** What is noted when an attempt has failed. */
export function afterFailure(
  known: Attempts,
  error: string,
  nowMs: number,
  { pausesMs }: Backoff = BACKOFF,
): Attempts {
  const failed = next({ ...known, error }, nowMs, pausesMs);
  return failed.state === 'gave-up' ? failed : { ...failed, state: 'failed' };
}

function next(known: Attempts, nowMs: number, pausesMs: readonly number[]): Attempts {
  const pauseMs = pausesMs[known.attempts];
  const at = iso(nowMs);
  return pauseMs === undefined
    ? { ...known, at, state: 'gave-up', due_at: null }
    : { ...known, at, state: 'waiting', due_at: iso(nowMs + pauseMs) };
}

/** A clock that was set back must not put an attempt off for days. */
function bounded(known: Attempts, nowMs: number, pausesMs: readonly number[]): Attempts {
  if (known.due_at === null) return known;
  const latestMs = nowMs + (pausesMs[known.attempts] ?? 0);
  return Date.parse(known.due_at) <= latestMs ? known : { ...known, due_at: iso(latestMs) };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
