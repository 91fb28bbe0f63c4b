import type { Duplex } from 'node:stream';
import { ProvisionerError } from '../../../src/errors.ts';

export interface ExecOptions {
  /** Written to the command's stdin, which is otherwise empty. */
  input?: string | Uint8Array;
  env?: Record<string, string>;
  /** Default /root. */
  cwd?: string;
  /** Milliseconds after which it is killed and the call fails. Default 120 s. */
  timeoutMs?: number;
  /** Called with output as it comes: 1 is stdout, 2 stderr. */
  onOutput?: (bytes: Buffer, which: 1 | 2) => void;
}

export interface ExecResult {
  /** Exit code; the negative number of a signal that ended it; 127 when it could not be started. */
  code: number;
  stdout: string;
  stderr: string;
}

/** The host went down, or up again, under a command. */
export class HostLostError extends ProvisionerError {}

/** A command's stdin, for as long as it runs. */
export interface Stdin {
  write(bytes: Uint8Array): void;
  end(): void;
}

interface Job {
  output: (bytes: Buffer, which: 1 | 2) => void;
  end: (code: number) => void;
  fail: (error: Error) => void;
}

interface Message {
  ready?: number;
  id?: number;
  out?: 1 | 2;
  data?: string;
  end?: number;
}

/** Speaks with the agent inside (test/lab/image/root/usr/lib/lab/agent) for one time that the power is on. */
export class Channel {
  readonly #line: Duplex;
  readonly #jobs = new Map<number, Job>();
  #boot: Promise<number>;
  #up: (boot: number) => void = () => undefined;
  #next = 1;
  #rest = '';

  constructor(line: Duplex) {
    this.#line = line;
    this.#boot = this.#nextBoot();
    line.setEncoding('latin1');
    line.on('data', (text: string) => this.#receive(text));
    // The kernel's end shows as the end of its process.
    line.on('error', () => undefined);
  }

  /** Resolves with the number of the boot, 1 for the first of a disk, when the host takes commands. */
  get ready(): Promise<number> {
    return this.#boot;
  }

  /** From now on `ready` means the next boot. */
  expectReboot(): void {
    this.#boot = this.#nextBoot();
  }

  exec(
    argv: readonly string[],
    options: ExecOptions,
    stdin?: (to: Stdin) => void,
  ): Promise<ExecResult> {
    const { input = '', env = {}, cwd = '/root', timeoutMs = 120_000, onOutput } = options;
    const id = this.#next++;
    const said = { 1: [] as Buffer[], 2: [] as Buffer[] };
    const text = (which: 1 | 2): string => Buffer.concat(said[which]).toString('utf8');
    const result = new Promise<ExecResult>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#send({ id, kill: 9 });
        this.#jobs.delete(id);
        const words = `${text(1)}${text(2)}`.trim().slice(-2000);
        reject(new ProvisionerError(`${argv.join(' ')} took over ${timeoutMs} ms: ${words}`));
      }, timeoutMs);
      this.#jobs.set(id, {
        output(bytes, which) {
          said[which].push(bytes);
          onOutput?.(bytes, which);
        },
        end(code) {
          clearTimeout(timer);
          resolve({ code, stdout: text(1), stderr: text(2) });
        },
        fail(error) {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
    this.#send({ id, argv, env, cwd });
    const to = this.#stdin(id);
    if (stdin !== undefined) {
      stdin(to);
    } else {
      to.write(Buffer.from(input));
      to.end();
    }
    return result;
  }

  /** Everything under way fails. */
  lose(why: string): void {
    for (const job of this.#jobs.values()) job.fail(new HostLostError(why));
    this.#jobs.clear();
  }

  #stdin(id: number): Stdin {
    return {
      write: (bytes) => {
        for (let at = 0; at < bytes.length; at += PIECE) {
          const piece = Buffer.from(bytes.subarray(at, at + PIECE));
          this.#send({ id, in: piece.toString('base64') });
        }
      },
      end: () => this.#send({ id, eof: true }),
    };
  }

  #nextBoot(): Promise<number> {
    return new Promise((resolve) => {
      this.#up = resolve;
    });
  }

  #send(message: object): void {
    this.#line.write(`${JSON.stringify(message)}\n`);
  }

  #receive(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      // A host that went down in the middle of a line leaves a torn one.
      if (line.startsWith('{') && line.endsWith('}')) this.#handle(JSON.parse(line) as Message);
    }
  }

  #handle({ ready, id, out, data, end }: Message): void {
    if (ready !== undefined) {
      this.lose('the host rebooted under the command');
      this.#up(ready);
    }
    const job = this.#jobs.get(id ?? -1);
    if (job === undefined || id === undefined) return;
    if (out !== undefined) job.output(Buffer.from(data ?? '', 'base64'), out);
    if (end === undefined) return;
    this.#jobs.delete(id);
    job.end(end);
  }
}

const PIECE = 32 * 1024;
