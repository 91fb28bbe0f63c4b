import { dropTo } from '../host/accounts.ts';
import { loadConfig } from '../host/config.ts';
import type { ReadHost } from '../vm/host.ts';
import { contextOf, type Wanted } from './context.ts';
import type { LookingVerb } from './invocation.ts';
import { runVerb } from './run-verb.ts';
import { embeddedStore } from './store.ts';

/** The verbs that only look. They are called often, so nothing is even compiled that they do not need. */
export const LOOKING: Record<string, () => Promise<{ verb: LookingVerb }>> = {
  list: () => import('./verbs/list.ts'),
  status: () => import('./verbs/status.ts'),
  inspect: () => import('./verbs/inspect.ts'),
  metrics: () => import('./verbs/metrics.ts'),
  history: () => import('./verbs/history.ts'),
  explain: () => import('./verbs/explain.ts'),
  statd: () => import('./verbs/statd.ts'),
  completion: () => import('./verbs/completion.ts'),
};

/** Runs one of them from its arguments to its exit code. */
export function runLooking(
  name: string,
  command: string,
  argv: readonly string[],
): Promise<number> {
  return runVerb({ command, argv, load: LOOKING[name], hostOf });
}

async function hostOf(wanted: Wanted): Promise<ReadHost> {
  const config = await loadConfig(process.env);
  // Whoever writes the database decides who may read it; root need not be asked.
  if (config.role.kind === 'split') dropTo(config.role.account, config.settings.front_user);
  return {
    ...contextOf(config, wanted),
    store: embeddedStore(config) ?? (await import('./blockhost.ts')).blockhostStore(config),
  };
}
