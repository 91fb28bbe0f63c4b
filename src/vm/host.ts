import type { Config } from '../host/config.ts';
import type { Store } from '../store/record.ts';
import type { Report } from '../types.ts';
import type { StepObserver } from './steps.ts';

/** What every verb works with. */
export interface Host extends Config {
  store: Store;
  /** One line for the person who waits. */
  report: Report;
  /** More of it, for those who asked. */
  verbose: Report;
  /** Aborted by SIGINT and SIGTERM: work stops, what was done is undone. */
  signal: AbortSignal;
  /** Sees every step before it is done; tests make steps fail with it. */
  onStep?: StepObserver | undefined;
}
