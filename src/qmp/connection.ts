import { messageOf } from '../errors.ts';
import { type QmpError, QmpGoneError, QmpProtocolError, QmpTimeoutError } from './errors.ts';
import { type Greeting, readGreeting } from './greeting.ts';
import { qemuPeer } from './peer.ts';
import { bounded, type Limits, type Settle } from './transport/bounded.ts';
import { Calls, type Reply } from './transport/calls.ts';
import { connectUnix } from './transport/connect.ts';
import { LineSocket } from './transport/line-socket.ts';
import { type Message, parseMessage } from './transport/message.ts';

export interface ConnectionEvents {
  onEvent(name: string, body: Record<string, unknown>): void;
  /** The connection is over, though nobody here ended it. Every call has been rejected already. */
  onLost(reason: QmpError): void;
}

const PING_ID = 'ping';
const PING = `{"execute":"query-status","id":"${PING_ID}"}\n`;

/** One socket from connect to end: routes what arrives, and fails everything that waits when it breaks. */
export class Connection {
  readonly #path: string;
  readonly #events: ConnectionEvents;
  readonly #calls: Calls;
  #socket: LineSocket | undefined;
  #greeting: Settle<Greeting> | undefined;
  #failure: QmpError | undefined;
  #lastId = 0;
  #onPong: (() => void) | undefined;

  constructor(path: string, events: ConnectionEvents) {
    this.#path = path;
    this.#events = events;
    this.#calls = new Calls(qemuPeer, path);
  }

  async connect(limits: Limits, maxLineBytes: number): Promise<void> {
    const stream = await connectUnix(this.#path, qemuPeer, limits);
    this.#socket = new LineSocket(
      stream,
      {
        onLine: (line) => this.#route(parseMessage(line), line),
        onTooLong: () =>
          this.#lose(
            new QmpProtocolError(
              `QEMU at ${this.#path} sent a line longer than ${this.#socket?.reader.maxLineBytes} bytes`,
            ),
          ),
        onEnd: (cause) =>
          this.#lose(
            new QmpGoneError(`QEMU at ${this.#path} closed the connection`, {
              hint: 'it has ended, or another process took its place',
              detail: cause === undefined ? undefined : messageOf(cause),
              cause,
            }),
          ),
      },
      { maxLineBytes },
    );
  }

  async negotiate(limits: Limits): Promise<Greeting> {
    const onDeadline = (): QmpError =>
      new QmpTimeoutError(
        `QEMU at ${this.#path} is busy or not answering (no greeting within ${limits.deadlineMs} ms)`,
        { hint: qemuPeer.silenceHint },
      );
    const greeting = await bounded<Greeting>(limits, onDeadline, (settle) => {
      this.#greeting = settle;
      if (this.#failure !== undefined) settle.reject(this.#failure);
      return () => {
        this.#greeting = undefined;
      };
    });
    await this.call('qmp_capabilities', undefined, limits);
    return greeting;
  }

  call(command: string, args: unknown, limits: Limits): Promise<Reply> {
    if (this.#failure !== undefined) return Promise.reject(failedLike(this.#failure, command));
    this.#lastId += 1;
    const call = { id: `q${this.#lastId}`, command, args };
    return this.#calls.start(call, limits, (line) => this.#socket?.write(line));
  }

  /** See QmpClient. */
  ping(onPong: () => void): void {
    this.#onPong = onPong;
    this.#socket?.writeAlone(PING);
  }

  /** Ends it from this side; what still waits is rejected with `reason`. */
  end(reason: QmpError): void {
    this.#failure ??= reason;
    this.#socket?.destroy();
    this.#greeting?.reject(reason);
    this.#calls.failAll((command, detail) => failedLike(reason, command, detail));
  }

  #route(message: Message, line: Buffer): void {
    if (this.#greeting !== undefined) {
      // QEMU takes the next client while it still has an event in hand for the one before.
      if (message.kind === 'event') return;
      try {
        this.#greeting.resolve(readGreeting(message, this.#path));
      } catch (error) {
        this.#greeting.reject(error);
      }
      return;
    }
    switch (message.kind) {
      case 'event':
        this.#events.onEvent(message.name, message.body);
        break;
      case 'reply':
        // A reply nobody waits for is the late answer to a call that was aborted or timed out.
        if (message.id === PING_ID) this.#onPong?.();
        else this.#calls.deliver(message.id, message.body, line);
        break;
      case 'garbage':
        this.#lose(new QmpProtocolError(`QEMU at ${this.#path} sent ${message.why}`));
        break;
      case 'greeting':
        break;
    }
  }

  #lose(reason: QmpError): void {
    if (this.#failure !== undefined) return;
    this.end(reason);
    this.#events.onLost(reason);
  }
}

/** One broken connection fails many calls; each gets an error of its own that names its command. */
function failedLike(reason: QmpError, command: string, detail?: string): QmpError {
  const Kind = reason.constructor as typeof QmpProtocolError;
  return new Kind(`${reason.message} (during ${command})`, {
    command,
    hint: reason.hint,
    detail: detail ?? reason.detail,
    cause: reason,
  });
}
