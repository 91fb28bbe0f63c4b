import { setMaxListeners } from 'node:events';
import type { Command } from 'commander';
import { InputError, ProvisionerError } from '../errors.ts';
import { explainAccess } from '../host/config.ts';
import type { Paths } from '../host/paths.ts';
import { visible } from '../types.ts';
import type { ReadHost } from '../vm/host.ts';
import type { Wanted } from './context.ts';
import { versionText } from './help.ts';
import type { Declared, Invocation, Output } from './invocation.ts';
import { say, stderr, stdout } from './stdio.ts';
import { VERBS } from './verbs.ts';

/** The signal ended the verb; what it had done is undone. */
class Interrupted extends ProvisionerError {}

export interface Run<V extends Declared, H extends ReadHost> {
  /** The words that called it, for messages. */
  command: string;
  argv: readonly string[];
  load: (() => Promise<{ verb: V & Runs<H> }>) | undefined;
  /** Puts together what the verb works with. */
  hostOf(wanted: Wanted, verb: V, given: Given): Promise<H>;
}

type Given = Pick<Invocation, 'args' | 'options'>;

interface Runs<H extends ReadHost> {
  blind?(given: Given, out: Output): void;
  run(invocation: Invocation<H>): Promise<number>;
}

/** Runs one verb from its arguments to its exit code. Never throws, never prints a stack trace. */
export async function runVerb<V extends Declared, H extends ReadHost>({
  command,
  argv,
  load,
  hostOf,
}: Run<V, H>): Promise<number> {
  const out = output();
  const abort = new AbortController();
  // As many wait with it as there are VMs.
  setMaxListeners(0, abort.signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => abort.abort(new Interrupted(`interrupted by ${signal}`)));
  }
  let verbose = false;
  let paths: Paths | undefined;
  let blind: (() => void) | undefined;
  try {
    const verb = (await load?.())?.verb;
    if (verb === undefined) throw new InputError('there is no such verb');
    const parsed = await parse(verb, command, argv);
    if (parsed === undefined) return 0;
    verbose = parsed.options.verbose === true;
    blind = verb.blind && (() => verb.blind?.(parsed, out));
    const host = await hostOf({ out, verbose, signal: abort.signal }, verb, parsed);
    blind = undefined;
    paths = host.paths;
    const verbs = Object.keys(VERBS).filter((other) => VERBS[other]?.hidden !== true);
    return await verb.run({ ...parsed, host, out, verbs });
  } catch (thrown) {
    // What waits in Node itself says only that it was aborted.
    const { aborted, reason } = abort.signal;
    const why =
      aborted && thrown instanceof Error && thrown.name === 'AbortError' ? reason : thrown;
    const error = paths === undefined ? why : explainAccess(why, paths);
    out.note(`${command}: ${oneLine(error)}`);
    if (verbose) for (const line of details(error)) out.note(`  ${line}`);
    blind?.();
    return blind === undefined ? 1 : 0;
  }
}

/** What the command line says, or undefined when help or version was all that was asked for. */
async function parse(
  verb: Declared,
  words: string,
  argv: readonly string[],
): Promise<Given | undefined> {
  const [word, ...more] = argv;
  if (verb.oneWord && word !== undefined && more.length === 0 && /^[^-]/.test(word))
    return { args: [word], options: {} };
  const { Command, CommanderError } = await import('commander');
  const command = new Command(words)
    .description(`${verb.summary[0]?.toUpperCase()}${verb.summary.slice(1)}.`)
    .exitOverride()
    .configureOutput({ writeOut: (text) => stdout().write(text), writeErr: () => undefined })
    .showSuggestionAfterError(false)
    .option('-v, --verbose', 'say more on stderr')
    .version(versionText().trim(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this');
  verb.declare(command);
  let args: string[] = [];
  command.action((...given: unknown[]) => {
    args = (given.at(-1) as Command).args;
  });
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw new InputError(error.message.replace(/^error: /, ''), { hint: `see ${words} --help` });
  }
  return { args, options: command.opts() };
}

function oneLine(error: unknown): string {
  if (!(error instanceof ProvisionerError)) {
    const said = error instanceof Error ? error.message : String(error);
    return visible(`internal error: ${said.split('\n')[0]} (--verbose says more)`);
  }
  const text = error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
  return visible(text.replace(/\s*\n\s*/g, ' '));
}

/** The long story, for --verbose: details of the error and of what caused it. */
function details(error: unknown): string[] {
  const lines: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at !== error) lines.push(`because: ${at.message}`);
    if (at instanceof ProvisionerError) lines.push(...(at.detail ?? '').split('\n'));
    else lines.push(...(at.stack ?? '').split('\n').slice(1));
  }
  return lines.filter((line) => line.trim() !== '');
}

function output(): Output {
  return {
    line: (text) => say(`${text}\n`),
    raw: (bytes) => stdout().write(bytes),
    rawError: (bytes) => stderr().write(bytes),
    // Words of guests are among it.
    note: (text) => stderr().write(`${text.replace(/[^\n\t]+/g, visible)}\n`),
    get terminal() {
      return process.stdout.isTTY === true;
    },
  };
}
