import { type CallArguments, type CallOptions, limitsOf } from '../transport/bounded.ts';
import type { Reply } from '../transport/calls.ts';
import { importShape, type Schema } from '../transport/import.ts';
import type { AgentArguments, AgentCommandName } from './arguments.ts';
import { AgentConnection, REPLY_BYTES } from './connection.ts';
import { AgentError, AgentProtocolError } from './errors.ts';
import { type AgentResult, agentResults } from './results.ts';

export interface AgentOpenOptions extends CallOptions {
  /** How much that nobody waits for is put up with before giving up. Default 64 MiB. */
  maxStaleBytes?: number | undefined;
}

export interface AgentCallOptions extends CallOptions {
  /** Longest reply accepted. Default, and least, 1 MiB. */
  maxReplyBytes?: number | undefined;
}

const OPEN_MS = 3000;
const COMMAND_MS = 5000;
const STALE_BYTES = 64 * 1024 * 1024;

/**
 * The guest agent of one VM. Its socket serves one client at a time, so keep it open briefly. Everything
 * it says comes from the guest: use quote() before showing it.
 */
export class AgentClient {
  readonly path: string;
  readonly #connection: AgentConnection;
  #closed = false;

  private constructor(path: string, connection: AgentConnection) {
    this.path = path;
    this.#connection = connection;
  }

  /** Connects and synchronizes within the deadline. A request timed out before may still be executed. */
  static async open(path: string, options: AgentOpenOptions = {}): Promise<AgentClient> {
    const limits = limitsOf(options, OPEN_MS);
    const connection = new AgentConnection(path, options.maxStaleBytes ?? STALE_BYTES);
    try {
      await connection.connect(limits);
      await connection.synchronize(limits);
    } catch (error) {
      connection.end(new AgentError(`the connection to the guest agent at ${path} was given up`));
      throw error;
    }
    return new AgentClient(path, connection);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** @throws AgentError (see agent/errors.ts); the signal's reason when aborted. */
  async execute<N extends AgentCommandName>(
    name: N,
    ...[args, options]: CallArguments<AgentArguments[N], AgentCallOptions>
  ): Promise<AgentResult<N>> {
    const reply = await this.#call(name, args, options ?? {});
    const schema: Schema = agentResults[name];
    const imported = importShape(schema, reply.value);
    // The schema was chosen by the name, which the compiler cannot follow through a lookup.
    if ('value' in imported) return imported.value as AgentResult<N>;
    throw new AgentProtocolError(
      `the guest agent's reply to ${name} is not as expected: ${imported.mismatch}`,
      { command: name, detail: reply.exchange() },
    );
  }

  /** Any command; the result is whatever the guest returned. */
  async executeRaw(name: string, args?: object, options: AgentCallOptions = {}): Promise<unknown> {
    return (await this.#call(name, args, options)).value;
  }

  /** Lets the next client in. Calls still waiting are rejected. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.end(
      new AgentError(
        `the connection to the guest agent at ${this.path} was closed by this program`,
      ),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #call(name: string, args: unknown, options: AgentCallOptions): Promise<Reply> {
    const replyBytes = options.maxReplyBytes ?? REPLY_BYTES;
    return this.#connection.call(name, args, limitsOf(options, COMMAND_MS), replyBytes);
  }
}
