import { spawn } from 'node:child_process';
import { ProvisionerError } from '../errors.ts';

/** A command that could not be started, failed, or ran out of time. */
export class ExecError extends ProvisionerError {
  readonly command: string;
  readonly exitCode: number | undefined;
  readonly stderr: string;
  readonly missing: boolean;
  readonly timedOut: boolean;

  constructor(
    message: string,
    facts: {
      command: string;
      exitCode?: number | undefined;
      stderr: string;
      missing: boolean;
      timedOut: boolean;
      cause?: unknown;
    },
  ) {
    super(message, { detail: facts.stderr, cause: facts.cause });
    this.command = facts.command;
    this.exitCode = facts.exitCode;
    this.stderr = facts.stderr;
    this.missing = facts.missing;
    this.timedOut = facts.timedOut;
  }
}

export interface RunOptions {
  /** Milliseconds until SIGTERM; SIGKILL follows 2 s later. Default 60 s; 0 means none. */
  timeoutMs?: number;
  /** Written to the command's stdin, which is otherwise closed. */
  input?: string | Uint8Array;
  /** Added to the inherited environment. LC_ALL=C is always set, so that messages can be parsed. */
  env?: Record<string, string>;
  cwd?: string;
  /** Exit codes that are not failures. Default [0]. */
  okCodes?: readonly number[];
  signal?: AbortSignal | undefined;
  /** Called with each line of stdout and stderr as it appears. */
  onLine?: (line: string) => void;
}

export interface RunResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

/**
 * The one place that runs a command and waits for it: an argv array, never a shell string.
 * @throws ExecError when it cannot be started, ends with an undeclared code or signal, or times out.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { execa } = await import('execa');
  const child = execa(command, args, {
    reject: false,
    stripFinalNewline: true,
    forceKillAfterDelay: 2000,
    env: { ...options.env, LC_ALL: 'C' },
    maxBuffer: 64 * 1024 * 1024,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    // Not the caller's folder, which may be closed to this user, or go away: paths in argv are absolute.
    cwd: options.cwd ?? '/',
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    timeout: options.timeoutMs ?? 60_000,
    ...(options.onLine === undefined ? {} : { buffer: true }),
  });
  if (options.onLine !== undefined) {
    const onLine = options.onLine;
    const follow = async (from: 'stdout' | 'stderr'): Promise<void> => {
      for await (const line of child.iterable({ from })) onLine(String(line));
    };
    await Promise.allSettled([follow('stdout'), follow('stderr'), child]);
  }
  const result = await child;
  const stderr = String(result.stderr ?? '');
  const stdout = String(result.stdout ?? '');
  const okCodes = options.okCodes ?? [0];
  if (
    result.exitCode !== undefined &&
    okCodes.includes(result.exitCode) &&
    !result.timedOut &&
    !result.isCanceled
  ) {
    return { stdout, stderr, exitCode: result.exitCode };
  }
  options.signal?.throwIfAborted();
  const missing = result.code === 'ENOENT';
  throw new ExecError(describe(command, result, lastLine(stderr) || lastLine(stdout)), {
    command: [command, ...args].join(' '),
    exitCode: result.exitCode,
    stderr: stderr || stdout,
    missing,
    timedOut: result.timedOut,
    cause: result.cause,
  });
}

/** Starts a command that goes on when this process ends. Resolves at its end, however that was. */
export function letRun(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  child.unref();
  return new Promise((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
}

interface Outcome {
  code?: string | undefined;
  timedOut: boolean;
  exitCode?: number | undefined;
  signal?: string | undefined;
}

function describe(command: string, outcome: Outcome, lastWords: string): string {
  if (outcome.code === 'ENOENT') return `${command} is not installed`;
  if (outcome.timedOut) return `${command} did not finish in time`;
  const how =
    outcome.exitCode === undefined
      ? `was ended by ${outcome.signal ?? outcome.code ?? 'an unknown cause'}`
      : `failed with exit code ${outcome.exitCode}`;
  return lastWords === '' ? `${command} ${how}` : `${command} ${how}: ${lastWords}`;
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() ?? '';
}
