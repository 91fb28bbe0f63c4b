import type { Command } from 'commander';
import type { Named } from '../root/split.ts';
import type { Host, ReadHost } from '../vm/host.ts';

/** One verb of the command line: it declares its words, makes one call, prints the result. */
export interface Declared {
  summary: string;
  /** One word that is no option is its argument as it stands: the parser, which takes longer to load, is not asked. */
  oneWord?: true;
  /** Adds arguments, options and examples. */
  declare(command: Command): void;
}

/** It changes something: a root side is set up for it. */
export interface ActingVerb extends Declared {
  /** `root`: called by root it stays root, on a BlockHost host too. Others leave that to the root side. */
  privileges?: 'root';
  /** It goes by bridge, addresses and days that BlockHost's db.yaml may name. */
  needsSettings?: true;
  /** Files it names, which the root side opens: whoever runs the command may, the user of the verb may not. */
  named?(given: Pick<Invocation, 'args' | 'options'>): Named;
  /** @returns the exit code. Failures are thrown. */
  run(invocation: Invocation): Promise<number>;
}

/** It only looks, which needs no privileges and should cost little. */
export interface LookingVerb extends Declared {
  /** What it answers, with exit code 0, when configuration or store cannot be opened; without it that is a failure. */
  blind?(given: Pick<Invocation, 'args' | 'options'>, out: Output): void;
  run(invocation: Invocation<ReadHost>): Promise<number>;
}

export interface Invocation<H extends ReadHost = Host> {
  /** Positional arguments, as given. */
  args: string[];
  /** Options by their commander name. */
  options: Record<string, unknown>;
  host: H;
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
