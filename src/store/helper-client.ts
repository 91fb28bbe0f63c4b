import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import * as z from 'zod/mini';
import { InputError, NotFoundError, ProvisionerError } from '../errors.ts';
import { quote } from '../types.ts';

const Reply = z.discriminatedUnion('ok', [
  z.object({ id: z.int(), ok: z.literal(true), result: z.unknown() }),
  z.object({ id: z.int(), ok: z.literal(false), kind: z.string(), error: z.string() }),
]);

export interface HelperCommand {
  file: string;
  args: readonly string[];
}

/** Writers take turns, and each holds the lock for milliseconds. */
const DEADLINE_MS = 30_000;

interface Waiting {
  op: string;
  resolve(result: unknown): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

/**
 * Talks with the Python helper: started at the first call, kept until this process ends, started anew
 * when it has died. While nobody waits for an answer it keeps nobody from ending.
 */
export class HelperClient {
  readonly #command: HelperCommand;
  #child: ChildProcessWithoutNullStreams | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #stderr = '';

  constructor(command: HelperCommand) {
    this.#command = command;
  }

  call(op: string, args: Record<string, unknown>): Promise<unknown> {
    const child = this.#child ?? this.#start();
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(child, `the database helper did not answer (${op}) in ${DEADLINE_MS / 1000} s`);
      }, DEADLINE_MS);
      this.#waiting.set(id, { op, resolve, reject, timer });
      setReferenced(child, true);
      child.stdin.write(`${JSON.stringify({ id, op, args })}\n`);
    });
  }

  /** Ends the helper; the next call would start it again. */
  close(): void {
    this.#child?.stdin.end();
    this.#child = undefined;
  }

  #start(): ChildProcessWithoutNullStreams {
    // A session of its own: Ctrl-C is for us, and undoing needs the helper to the end.
    const child = spawn(this.#command.file, this.#command.args, { detached: true, cwd: '/' });
    this.#child = child;
    this.#stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#take(line);
    });
    child.stdin.on('error', () => undefined);
    child.once('error', (error) =>
      this.#fail(child, `the database helper cannot be started: ${error.message}`),
    );
    child.once('close', (code, signal) =>
      this.#fail(child, `the database helper ended (${signal ?? `exit code ${code}`})`),
    );
    return child;
  }

  #take(line: string): void {
    const reply = z.safeParse(Reply, parse(line));
    if (!reply.success) return;
    const waiting = this.#waiting.get(reply.data.id);
    if (waiting === undefined) return;
    this.#forget(reply.data.id, waiting);
    if (reply.data.ok) waiting.resolve(reply.data.result);
    else waiting.reject(errorOf(reply.data.kind, reply.data.error));
  }

  #fail(child: ChildProcessWithoutNullStreams, why: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    child.kill('SIGKILL');
    const last = this.#stderr.trim().split('\n').at(-1) ?? '';
    for (const [id, waiting] of this.#waiting) {
      this.#forget(id, waiting);
      waiting.reject(
        new ProvisionerError(last === '' ? why : `${why}: ${quote(last)}`, {
          hint: 'check python3, python3-yaml and blockhost-common',
          detail: this.#stderr,
        }),
      );
    }
  }

  #forget(id: number, { timer }: Waiting): void {
    clearTimeout(timer);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0 && this.#child !== undefined) setReferenced(this.#child, false);
  }
}

function setReferenced(child: ChildProcessWithoutNullStreams, on: boolean): void {
  const method = on ? 'ref' : 'unref';
  child[method]();
  for (const stream of [child.stdin, child.stdout, child.stderr]) {
    (stream as unknown as Record<'ref' | 'unref', () => void>)[method]();
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

function errorOf(kind: string, message: string): ProvisionerError {
  if (kind === 'input') return new InputError(message);
  if (kind === 'notfound') return new NotFoundError(message);
  return new ProvisionerError(`BlockHost's database: ${message}`);
}
