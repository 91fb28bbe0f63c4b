import type { Command } from 'commander';
import { InputError, ProvisionerError } from '../errors.ts';
import { explainAccess } from '../host/config.ts';
import { closeInherited } from '../host/descriptors.ts';
import type { Paths } from '../host/paths.ts';
import { versionText } from './help.ts';
import type { Invocation, Output } from './invocation.ts';
import { VERBS } from './verbs.ts';
import { makeHost } from './wiring.ts';

/** The signal ended the verb; what it had done is undone. */
class Interrupted extends ProvisionerError {}

/** Runs one verb from its arguments to its exit code. Never throws, never prints a stack trace. */
export async function runVerb(
  name: string,
  command: string,
  argv: readonly string[],
): Promise<number> {
  closeInherited();
  const out = output();
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => abort.abort(new Interrupted(`interrupted by ${signal}`)));
  }
  let verbose = false;
  let paths: Paths | undefined;
  try {
    const parsed = await parse(name, command, argv);
    if (parsed.done) return 0;
    verbose = parsed.options.verbose === true;
    const { privileges, needsSettings } = parsed.verb;
    const host = await makeHost({
      out,
      verbose,
      signal: abort.signal,
      privileges,
      needsSettings: needsSettings === true,
    });
    paths = host.paths;
    return await parsed.verb.run({
      args: parsed.args,
      options: parsed.options,
      host,
      out,
      verbs: Object.keys(VERBS).filter((verb) => VERBS[verb]?.hidden !== true),
    });
  } catch (thrown) {
    const error = paths === undefined ? thrown : explainAccess(thrown, paths);
    out.note(`${command}: ${oneLine(error)}`);
    if (verbose) for (const line of details(error)) out.note(`  ${line}`);
    return 1;
  }
}

type Parsed =
  | { done: true }
  | {
      done: false;
      verb: Awaited<ReturnType<(typeof VERBS)[string]['load']>>['verb'];
      args: string[];
      options: Invocation['options'];
    };

async function parse(name: string, words: string, argv: readonly string[]): Promise<Parsed> {
  const entry = VERBS[name];
  if (entry === undefined) throw new InputError(`there is no verb ${name}`);
  const [{ verb }, { Command, CommanderError }] = await Promise.all([
    entry.load(),
    import('commander'),
  ]);
  const command = new Command(words)
    .description(`${verb.summary[0]?.toUpperCase()}${verb.summary.slice(1)}.`)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
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
    if (error.exitCode === 0) return { done: true };
    throw new InputError(error.message.replace(/^error: /, ''), { hint: `see ${words} --help` });
  }
  return { done: false, verb, args, options: command.opts() };
}

function oneLine(error: unknown): string {
  if (!(error instanceof ProvisionerError)) {
    const said = error instanceof Error ? error.message : String(error);
    return `internal error: ${said.split('\n')[0]} (--verbose says more)`;
  }
  const text = error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
  return text.replace(/\s*\n\s*/g, ' ');
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
    line: (text) => process.stdout.write(`${text}\n`),
    raw: (bytes) => process.stdout.write(bytes),
    rawError: (bytes) => process.stderr.write(bytes),
    note: (text) => process.stderr.write(`${text}\n`),
    terminal: process.stdout.isTTY === true,
  };
}
