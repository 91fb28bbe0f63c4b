import { incarnationKey } from '../../store/incarnation.ts';
import { isWantedOff, type LastRun } from '../../store/last-run.ts';
import type { RestartPolicy } from '../../store/vm-config.ts';
import type { Attempts } from '../restart/attempts.ts';

/** How restarting after a crash stands. */
export interface Restarting {
  policy: RestartPolicy;
  /** Null when there was nothing to be restarted. */
  state: Attempts['state'] | null;
  attempts: number;
  /** ISO 8601. */
  at: string | null;
  due_at: string | null;
  error: string | null;
}

export function restartingOf(
  policy: RestartPolicy,
  known: Attempts | undefined,
  last: LastRun | undefined,
): Restarting {
  const valid = known !== undefined && isAbout(known, last) ? known : undefined;
  const { state = null, attempts = 0, at = null, due_at = null, error = null } = valid ?? {};
  return { policy, state, attempts, at, due_at, error };
}

/** Of a run before, or one that somebody wants off, nothing holds any more. */
function isAbout({ crashed, started }: Attempts, last: LastRun | undefined): boolean {
  if (last === undefined || isWantedOff(last.by)) return false;
  const run = incarnationKey(last.run);
  return run === crashed || run === started;
}

/** One line for a person; undefined where there is nothing to say. */
export function restartLine(restarting: Restarting): string | undefined {
  const { policy, state, attempts, at, due_at, error } = restarting;
  if (policy === 'never') return undefined;
  const why = error === null ? '' : `: ${error}`;
  switch (state) {
    case null:
      return 'after a crash it is started again';
    case 'waiting':
      return `after a crash it is started again: attempt ${attempts + 1} is due at ${due_at}`;
    case 'trying':
      return `after a crash it is started again: attempt ${attempts} has begun`;
    case 'started':
      return `after a crash it was started again at ${at} (attempt ${attempts})`;
    case 'failed':
      return `attempt ${attempts} to start it again failed${why}; the next is due at ${due_at}`;
    case 'gave-up':
      return `starting it again was given up at ${at} after ${attempts} attempts${why}`;
  }
}
