import type { VmName } from '../../types.ts';
import type { ReadHost } from '../host.ts';
import { causeOf } from './cause.ts';
import { type Facts, gatherFacts } from './facts.ts';
import { restartingOf } from './restart-words.ts';
import type { Explanation } from './shape.ts';
import { BACKUP_IS_SETTLED, nextVerbDoes } from './unfinished-words.ts';

/** @throws NotFoundError for a VM that does not exist. */
export async function explainVm(host: ReadHost, name: VmName): Promise<Explanation> {
  const facts = await gatherFacts(host, name);
  const { now, busy } = facts;
  return {
    vm_name: name,
    state: stateOf(facts),
    ...causeOf(facts),
    busy,
    run: now.incarnation === undefined ? null : pick(now.incarnation),
    unfinished: busy ? null : unfinishedOf(facts),
    restart: restartingOf(facts.config.restart ?? 'never', facts.attempts, facts.last),
    events: (facts.events ?? []).map(({ run: _, ...event }) => event),
    watched: facts.events !== undefined,
    last_sign: facts.lastSign,
    console: facts.console,
    qemu: facts.qemu,
  };
}

function unfinishedOf({ journal, backupKilled }: Facts): Explanation['unfinished'] {
  if (journal !== undefined) return { verb: journal.verb, next: nextVerbDoes(journal) };
  return backupKilled ? { verb: 'backup', next: BACKUP_IS_SETTLED } : null;
}

function stateOf({ now: { state, incarnation } }: Facts): Explanation['state'] {
  if (incarnation === undefined) return 'off';
  // QEMU lives: a machine that is shut down, but kept, waits like one that is paused.
  return state === 'stopped' ? 'paused' : state;
}

function pick({ pid, started_at, accel }: NonNullable<Facts['now']['incarnation']>): {
  pid: number;
  started_at: string;
  accel: string;
} {
  return { pid, started_at, accel };
}
