import type { Command } from 'commander';
import type { Host } from '../vm/host.ts';

/** One verb of the command line: it declares its words, makes one call, prints the result. */
export interface Verb {
  summary: string;
  /** `root`: called by root it stays root, on a BlockHost host too. Others leave that to the root side. */
  privileges?: 'root';
  /** It goes by bridge, addresses and days that BlockHost's db.yaml may name. */
  needsSettings?: true;
  /** Adds arguments, options and examples. */
  declare(command: Command): void;
  /** @returns the exit code. Failures are thrown. */
  run(invocation: Invocation): Promise<number>;
}

export interface Invocation {
  /** Positional arguments, as given. */
  args: string[];
  /** Options by their commander name. */
  options: Record<string, unknown>;
  host: Host;
  out: Output;
  /** Names of all verbs. */
  verbs: readonly string[];
}

export interface Output {
  /** Results, to stdout. */
  line(text: string): void;
  raw(bytes: Uint8Array): void;
  rawError(bytes: Uint8Array): void;
  /** One line for a person, to stderr. */
  note(text: string): void;
  terminal: boolean;
}
