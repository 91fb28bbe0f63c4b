import { randomBytes, randomInt } from 'node:crypto';
import { bounded, type Limits, type Settle } from '../transport/bounded.ts';
import { Calls, type Reply } from '../transport/calls.ts';
import { connectUnix } from '../transport/connect.ts';
import { LineSocket } from '../transport/line-socket.ts';
import { parseMessage } from '../transport/message.ts';
import {
  type AgentError,
  AgentGoneError,
  AgentProtocolError,
  AgentTimeoutError,
} from './errors.ts';
import { agentPeer } from './peer.ts';

/** Ends a line that a client before us left unfinished, and asks for one like it before the answer. */
const MARK = 0xff;
const SYNC_REPLY_BYTES = 4096;
export const REPLY_BYTES = 1024 * 1024;

/** One use of the agent's socket. Nothing that arrives, and no manner of arriving, moves a deadline. */
export class AgentConnection {
  readonly #path: string;
  readonly #maxStaleBytes: number;
  readonly #calls: Calls;
  readonly #replyLimits = new Map<string, number>();
  #socket: LineSocket | undefined;
  #sync: { token: number; settle: Settle<void> } | undefined;
  #failure: AgentError | undefined;
  /** Bytes received that were no reply anybody waited for. */
  #staleBytes = 0;

  constructor(path: string, maxStaleBytes: number) {
    this.#path = path;
    this.#maxStaleBytes = maxStaleBytes;
    this.#calls = new Calls(agentPeer, path);
  }

  async connect(limits: Limits): Promise<void> {
    const stream = await connectUnix(this.#path, agentPeer, limits);
    this.#socket = new LineSocket(
      stream,
      {
        onBytes: (count) => this.#count(count),
        onLine: (line, afterMark) => this.#route(line, afterMark),
        onTooLong: () => this.#tooLong(),
        onEnd: (cause) => this.end(this.#gone(cause)),
      },
      { maxLineBytes: SYNC_REPLY_BYTES, mark: MARK },
    );
  }

  /** Makes sure that what is heard from now on answers us, and not somebody who used the socket before. */
  async synchronize(limits: Limits): Promise<void> {
    const token = randomInt(1, 2 ** 47);
    const request = { execute: 'guest-sync-delimited', arguments: { id: token } };
    const onDeadline = (): AgentError =>
      new AgentTimeoutError(
        `the guest agent at ${this.#path} is busy or not answering (no reply to guest-sync-delimited within ${limits.deadlineMs} ms)`,
        { command: 'guest-sync-delimited', hint: agentPeer.silenceHint },
      );
    await bounded<void>(limits, onDeadline, (settle) => {
      this.#sync = { token, settle };
      if (this.#failure !== undefined) settle.reject(this.#failure);
      this.#socket?.write(Buffer.from([MARK]));
      this.#socket?.write(`${JSON.stringify(request)}\n`);
      return () => {
        this.#sync = undefined;
      };
    });
    this.#adaptLimit();
  }

  async call(command: string, args: unknown, limits: Limits, replyBytes: number): Promise<Reply> {
    if (this.#failure !== undefined) throw this.#failure;
    const id = randomBytes(9).toString('base64url');
    this.#replyLimits.set(id, replyBytes);
    this.#adaptLimit();
    try {
      return await this.#calls.start({ id, command, args }, limits, (line) =>
        this.#socket?.write(line),
      );
    } finally {
      this.#replyLimits.delete(id);
      this.#adaptLimit();
    }
  }

  /** Ends it; what still waits is rejected with `reason`. */
  end(reason: AgentError): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#socket?.destroy();
    this.#sync?.settle.reject(reason);
    const Kind = reason.constructor as typeof AgentProtocolError;
    this.#calls.failAll((command, detail) => {
      return new Kind(`${reason.message} (during ${command})`, { command, detail, cause: reason });
    });
  }

  #route(line: Buffer, afterMark: boolean): void {
    const message = parseMessage(line);
    if (message.kind !== 'reply') return;
    if (this.#sync !== undefined) {
      if (afterMark && message.body.return === this.#sync.token) {
        this.#staleBytes = 0;
        this.#sync.settle.resolve();
      }
      return;
    }
    if (this.#calls.deliver(message.id, message.body, line)) this.#staleBytes -= line.length + 1;
  }

  #count(bytes: number): void {
    this.#staleBytes += bytes;
    // A line in progress may yet turn out to be a reply.
    const allowed = this.#maxStaleBytes + (this.#socket?.reader.maxLineBytes ?? 0);
    if (this.#staleBytes <= allowed) return;
    this.end(
      new AgentProtocolError(
        `the guest agent at ${this.#path} sent more than ${this.#maxStaleBytes} bytes that nobody asked for`,
      ),
    );
  }

  #tooLong(): void {
    // Before the mark there may be anything: the end of somebody else's long reply, say.
    if (this.#sync !== undefined) return;
    this.end(
      new AgentProtocolError(
        `the guest agent at ${this.#path} sent a reply longer than ${this.#socket?.reader.maxLineBytes} bytes`,
      ),
    );
  }

  #adaptLimit(): void {
    if (this.#socket === undefined) return;
    this.#socket.reader.maxLineBytes = Math.max(REPLY_BYTES, ...this.#replyLimits.values());
  }

  #gone(cause: Error | undefined): AgentError {
    return new AgentGoneError(`the connection to the guest agent at ${this.#path} was closed`, {
      hint: 'the VM has ended',
      cause,
    });
  }
}
