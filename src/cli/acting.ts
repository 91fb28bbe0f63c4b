import { loadConfig } from '../host/config.ts';
import { closeInherited } from '../host/descriptors.ts';
import { agentTransport } from '../root/agent.ts';
import { localRoot } from '../root/local.ts';
import { remoteRoot } from '../root/remote.ts';
import { type Named, PASSED_STDOUT, splitOff } from '../root/split.ts';
import type { Host, RootContext } from '../vm/host.ts';
import type { RootSide } from '../vm/root-side.ts';
import { blockhostOf } from './blockhost.ts';
import { contextOf, type Wanted } from './context.ts';
import { openedBy } from './files.ts';
import type { ActingVerb, Invocation } from './invocation.ts';
import { runVerb } from './run-verb.ts';
import { bareStdout } from './stdio.ts';
import { embeddedStore } from './store.ts';

export { sampleVm } from './sample-vm.ts';

/** The verbs that change something. */
export const ACTING: Record<string, () => Promise<{ verb: ActingVerb }>> = {
  'build-template': () => import('./verbs/build-template.ts'),
  create: () => import('./verbs/create.ts'),
  'guest-exec': () => import('./verbs/guest-exec.ts'),
  'update-gecos': () => import('./verbs/update-gecos.ts'),
  throttle: () => import('./verbs/throttle.ts'),
  stop: () => import('./verbs/stop.ts'),
  start: () => import('./verbs/start.ts'),
  pause: () => import('./verbs/pause.ts'),
  configure: () => import('./verbs/configure.ts'),
  snapshot: () => import('./verbs/snapshot.ts'),
  export: () => import('./verbs/export.ts'),
  backup: () => import('./verbs/backup.ts'),
  restore: () => import('./verbs/restore.ts'),
  kill: () => import('./verbs/kill.ts'),
  destroy: () => import('./verbs/destroy.ts'),
  'restart-crashed': () => import('./verbs/restart-crashed.ts'),
  'start-all': () => import('./verbs/start-all.ts'),
  'stop-all': () => import('./verbs/stop-all.ts'),
  doctor: () => import('./verbs/doctor.ts'),
  gc: () => import('./verbs/gc.ts'),
  resume: () => import('./verbs/resume.ts'),
  detect: () => import('./verbs/detect.ts'),
  root: () => import('./verbs/root.ts'),
};

/** Runs one of them from its arguments to its exit code. */
export function runActing(name: string, command: string, argv: readonly string[]): Promise<number> {
  closeInherited(name === 'root' && argv.includes('--backup-to=-') ? [PASSED_STDOUT] : []);
  return runVerb({ command, argv, load: ACTING[name], hostOf });
}

async function hostOf(
  wanted: Wanted,
  verb: ActingVerb,
  given: Pick<Invocation, 'args' | 'options'>,
): Promise<Host> {
  const config = await loadConfig(process.env, verb.privileges === 'root' ? 'own' : undefined);
  const context = contextOf(config, wanted);
  // First of all, since it may change who this process is.
  const root = rootOf(context, verb.named?.(given) ?? {});
  const store = embeddedStore(config);
  if (store !== undefined) return { ...context, root, store };
  return { ...context, root, ...(await blockhostOf(config, verb.needsSettings === true)) };
}

function rootOf(context: RootContext, named: Named): RootSide {
  const { role, settings } = context;
  switch (role.kind) {
    case 'own':
      return localRoot(context, openedBy(named, bareStdout));
    case 'agent':
      return remoteRoot(agentTransport(settings.root_agent_socket), context);
    case 'split':
      return remoteRoot(splitOff(role.account, settings.front_user, named), context);
  }
}
