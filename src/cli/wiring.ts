import { loadConfig } from '../host/config.ts';
import { agentTransport } from '../root/agent.ts';
import { localRoot } from '../root/local.ts';
import { remoteRoot } from '../root/remote.ts';
import { splitOff } from '../root/split.ts';
import { EmbeddedStore } from '../store/embedded.ts';
import type { Host, RootContext } from '../vm/host.ts';
import type { RootSide } from '../vm/root-side.ts';
import { blockhostOf } from './blockhost.ts';
import type { Output, Verb } from './invocation.ts';

export interface WiringOptions {
  out: Output;
  verbose: boolean;
  signal: AbortSignal;
  privileges: Verb['privileges'];
  /** Whether the verb goes by what BlockHost's db.yaml says. */
  needsSettings: boolean;
}

/** Puts together what the verbs work with. */
export async function makeHost(options: WiringOptions): Promise<Host> {
  const { out, verbose, signal, privileges, needsSettings } = options;
  const config = await loadConfig(process.env, privileges === 'root' ? 'own' : undefined);
  const context: RootContext = {
    ...config,
    report: (line) => out.note(line),
    verbose: (line) => {
      if (verbose) out.note(line);
    },
    signal,
  };
  // First of all, since it may change who this process is.
  const root = rootOf(context);
  const store = new EmbeddedStore(config.paths.records);
  return { ...context, root, store, ...(await blockhostOf(config, needsSettings)) };
}

function rootOf(context: RootContext): RootSide {
  const { role, settings } = context;
  switch (role.kind) {
    case 'own':
      return localRoot(context);
    case 'agent':
      return remoteRoot(agentTransport(settings.root_agent_socket), context);
    case 'split':
      return remoteRoot(splitOff(role.account, settings.front_user), context);
  }
}
