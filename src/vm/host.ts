import type { Config } from '../host/config.ts';
import type { MakeSink } from '../host/sink.ts';
import type { Store } from '../store/record.ts';
import type { Report } from '../types.ts';
import type { BlockhostSite } from './blockhost-site.ts';
import type { RootSide } from './root-side.ts';
import type { StepObserver } from './steps.ts';

/** What the root side works with. */
export interface RootContext extends Config {
  /** One line for the person who waits. */
  report: Report;
  /** More of it, for those who asked. */
  verbose: Report;
  /** Aborted by SIGINT and SIGTERM: work stops, what was done is undone. */
  signal: AbortSignal;
  /** Others wait until we are done: what can go on behind our back does. */
  inHaste?: boolean | undefined;
  /** Sees every step before it is done; tests make steps fail with it. */
  onStep?: StepObserver | undefined;
}

/** What the command line names for the root side to read or write: no request names a file. */
export interface Opened {
  backupTo?: MakeSink | undefined;
  restoreFrom?: readonly string[] | undefined;
}

/** What a verb works with that only looks. */
export interface ReadHost extends RootContext {
  store: Store;
}

/** What a verb works with that changes something. */
export interface Host extends ReadHost {
  root: RootSide;
  /** On a host of BlockHost's: what it adds to `create`. */
  blockhost?: BlockhostSite | undefined;
}
