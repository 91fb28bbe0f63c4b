import { loadConfig } from '../host/config.ts';
import { EmbeddedStore } from '../store/embedded.ts';
import type { Host } from '../vm/host.ts';
import type { Output } from './invocation.ts';

export interface WiringOptions {
  out: Output;
  verbose: boolean;
  signal: AbortSignal;
}

/** Puts together what the verbs work with. */
export async function makeHost({ out, verbose, signal }: WiringOptions): Promise<Host> {
  const { settings, paths } = await loadConfig();
  return {
    settings,
    paths,
    store: new EmbeddedStore(paths.records),
    report: (line) => out.note(line),
    verbose: (line) => {
      if (verbose) out.note(line);
    },
    signal,
  };
}
