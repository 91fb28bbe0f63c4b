import type { RestartOutcome } from './restart-vm.ts';

/** What became of a VM, to follow its name. */
export function outcomeWords(outcome: Exclude<RestartOutcome, { what: 'left' | 'busy' }>): string {
  switch (outcome.what) {
    case 'goes-on':
      return 'goes on: there is room on the disk again';
    case 'started':
      return `is started again after a crash (attempt ${outcome.attempt})`;
    case 'waits':
      return `has crashed: attempt ${outcome.attempt} is due at ${new Date(outcome.dueMs).toISOString()}`;
    case 'failed':
      return `could not be started (attempt ${outcome.attempt}): ${outcome.why}`;
    case 'gave-up':
      return `is given up after ${outcome.attempts} attempts${outcome.why === null ? '' : `: ${outcome.why}`}`;
  }
}
