import type { Config } from '../host/config.ts';
import type { RootContext } from '../vm/host.ts';
import type { Output } from './invocation.ts';

/** What the command line asks of every verb. */
export interface Wanted {
  out: Output;
  verbose: boolean;
  signal: AbortSignal;
}

export function contextOf(config: Config, { out, verbose, signal }: Wanted): RootContext {
  return {
    ...config,
    report: (line) => out.note(line),
    verbose: (line) => {
      if (verbose) out.note(line);
    },
    signal,
  };
}
