import { monotonicMs } from '../host/time.ts';
import type { CommandArguments, CommandName } from './commands/arguments.ts';
import { type CommandResult, resultSchema } from './commands/results.ts';
import { Connection } from './connection.ts';
import { QmpError, QmpProtocolError } from './errors.ts';
import { EventHub } from './event-hub.ts';
import type { EventStream } from './event-stream.ts';
import type { EventName, KnownEvent, QmpEvent } from './events.ts';
import type { Greeting } from './greeting.ts';
import { type OnceOptions, once } from './once.ts';
import {
  type CallArguments,
  type CallOptions,
  type Limits,
  limitsOf,
} from './transport/bounded.ts';
import type { Reply } from './transport/calls.ts';
import { importShape } from './transport/import.ts';

export type QmpState = 'idle' | 'connecting' | 'negotiating' | 'ready' | 'closed';

export interface ConnectOptions extends CallOptions {
  /** Longest line QEMU may send. Default MAX_LINE_BYTES. */
  maxLineBytes?: number | undefined;
  /**
   * Milliseconds that QEMU may use up in all, from connecting to the last answer; what lies between two calls is the
   * caller's own time. Without it each call has its own deadline only.
   */
  patienceMs?: number | undefined;
}

const CONNECT_MS = 2000;
const COMMAND_MS = 5000;
/**
 * Who speaks here may be a guest that has taken its QEMU over, and a MiB of small values takes up to a second and half
 * a GB to read. `query-blockstats` of 25 disks has 70 KB, `query-block` of them with 100 snapshots each 0.5 MB.
 */
const MAX_LINE_BYTES = 1024 * 1024;
/** For `query-named-block-nodes` of any VM: each snapshot of each disk has up to 250 bytes. */
export const BLOCK_NODES_BYTES = 4 * 1024 * 1024;
const EVENT_BUFFER = 1000;

/** A connection to one QEMU's monitor. Serves until close() or until QEMU ends; it never reconnects. */
export class QmpClient {
  readonly path: string;
  /** Settles once the client is closed: with the reason, or undefined when close() was called. Never rejects. */
  readonly closed: Promise<QmpError | undefined>;
  #resolveClosed: (reason: QmpError | undefined) => void = () => {};
  #state: QmpState = 'idle';
  #connection: Connection | undefined;
  #greeting: Greeting | undefined;
  #endReason: QmpError | undefined;
  #patienceMs = Number.POSITIVE_INFINITY;
  readonly #hub = new EventHub();

  constructor(path: string) {
    this.path = path;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  static async connect(path: string, options: ConnectOptions = {}): Promise<QmpClient> {
    const client = new QmpClient(path);
    await client.open(options);
    return client;
  }

  get state(): QmpState {
    return this.#state;
  }

  get greeting(): Greeting | undefined {
    return this.#greeting;
  }

  /** From idle to ready; when that fails, back to idle with nothing left open. */
  async open(options: ConnectOptions = {}): Promise<void> {
    if (this.#state !== 'idle') throw this.#misuse('be opened');
    this.#patienceMs = options.patienceMs ?? Number.POSITIVE_INFINITY;
    const began = monotonicMs();
    const limits = this.#limits(options, CONNECT_MS);
    const connection = new Connection(this.path, {
      onEvent: (name, body) => this.#hub.publish(name, body),
      onLost: (reason) => {
        if (this.#state === 'ready') this.#finish(reason, reason);
      },
    });
    this.#connection = connection;
    try {
      this.#enter('connecting');
      await connection.connect(limits, options.maxLineBytes ?? MAX_LINE_BYTES);
      this.#enter('negotiating');
      this.#greeting = await connection.negotiate(limits);
      this.#enter('ready');
    } catch (error) {
      connection.end(new QmpError(`the connection to QEMU at ${this.path} was given up`));
      if (this.state !== 'closed') this.#state = 'idle';
      throw error;
    } finally {
      this.#patienceMs -= monotonicMs() - began;
    }
  }

  /** @throws QmpError (see errors.ts); the signal's reason when aborted. */
  async execute<N extends CommandName>(
    name: N,
    ...[args, options]: CallArguments<CommandArguments[N]>
  ): Promise<CommandResult<N>> {
    const reply = await this.#call(name, args, options ?? {});
    const schema = resultSchema(name);
    const imported = importShape(schema, reply.value);
    // The schema was chosen by the name, which the compiler cannot follow through a lookup.
    if ('value' in imported) return imported.value as CommandResult<N>;
    throw new QmpProtocolError(`QEMU's reply to ${name} is not as expected: ${imported.mismatch}`, {
      command: name,
      detail: reply.exchange(),
    });
  }

  /** Any command; the result is whatever QEMU returned. */
  async executeRaw(name: string, args?: object, options: CallOptions = {}): Promise<unknown> {
    return (await this.#call(name, args, options)).value;
  }

  /**
   * Has QEMU's main loop answer, without what makes a command dear: no promise, no deadline, one at a time.
   * @param onPong called at any answer, a refusal too; never once the connection is over.
   */
  ping(onPong: () => void): void {
    if (this.#state === 'ready') this.#connection?.ping(onPong);
  }

  /** Events from now on; earlier ones are gone. `limit` is how many unread ones are kept. */
  events(options: { limit?: number } = {}): EventStream {
    return this.#hub.stream(options.limit ?? EVENT_BUFFER);
  }

  /** Calls back with each event from now on, without keeping any. Returns how to stop. */
  listen(onEvent: (event: QmpEvent) => void): () => void {
    return this.#hub.listen(onEvent, () => {});
  }

  /** The next event of this name. Call it before the command that causes the event, and await it after. */
  once<N extends EventName>(name: N, options: OnceOptions<KnownEvent<N>>): Promise<KnownEvent<N>>;
  once(name: string, options: OnceOptions<QmpEvent>): Promise<QmpEvent>;
  once(name: string, options: OnceOptions<never>): Promise<QmpEvent> {
    // Only events of that name reach the filter, so it gets the type it was written for.
    const filtered = options as OnceOptions<QmpEvent>;
    return once((event, end) => this.#hub.listen(event, end), name, filtered);
  }

  /** Ends the connection, not QEMU. Calls still waiting are rejected. May be called at any time, twice too. */
  close(): void {
    if (this.#state === 'closed') return;
    const reason = new QmpError(
      `the connection to QEMU at ${this.path} was closed by this program`,
    );
    this.#connection?.end(reason);
    this.#finish(reason, undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  async #call(name: string, args: unknown, options: CallOptions): Promise<Reply> {
    if (this.#state !== 'ready' || this.#connection === undefined)
      throw this.#endReason ?? this.#misuse(`execute ${name}`);
    const began = monotonicMs();
    try {
      return await this.#connection.call(name, args, this.#limits(options, COMMAND_MS));
    } finally {
      this.#patienceMs -= monotonicMs() - began;
    }
  }

  #limits({ deadlineMs, signal }: CallOptions, defaultMs: number): Limits {
    const wanted = deadlineMs ?? defaultMs;
    return limitsOf({ deadlineMs: Math.min(wanted, this.#patienceMs), signal }, defaultMs);
  }

  #enter(state: QmpState): void {
    // close() may have been called while open() was waiting.
    if (this.#state === 'closed') throw this.#endReason ?? this.#misuse('be opened');
    this.#state = state;
  }

  #finish(reason: QmpError, closedWith: QmpError | undefined): void {
    this.#state = 'closed';
    this.#endReason = reason;
    this.#hub.end(reason);
    this.#resolveClosed(closedWith);
  }

  #misuse(what: string): QmpError {
    return new QmpError(`a QMP client that is ${this.#state} cannot ${what}`);
  }
}
