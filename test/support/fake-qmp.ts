import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { removeTree } from './temporary.ts';

/** One command as the fake received it. */
export interface FakeCall {
  name: string;
  args: Record<string, unknown>;
  id: unknown;
  connection: FakeConnection;
}

/** Gives the `return` of a command, throws FakeRefusal, or returns NO_REPLY and speaks for itself. */
export type FakeHandler = (call: FakeCall) => unknown;

/** From a handler: nothing is answered. */
export const NO_REPLY = Symbol('no reply');

export class FakeRefusal extends Error {
  readonly class: string;
  constructor(desc: string, kind = 'GenericError') {
    super(desc);
    this.class = kind;
  }
}

export const GREETING = {
  QMP: {
    version: { qemu: { micro: 22, minor: 2, major: 7 }, package: 'fake' },
    capabilities: ['oob'],
  },
};

export interface FakeQmpOptions {
  /** Sent to each client that gets its turn; null for silence. */
  greeting?: unknown;
  /** What was meant for the client before, sent ahead of the greeting. */
  ahead?: unknown;
  /** Where the socket is made; by default in a new directory that stop() removes. */
  path?: string;
  /** As QEMU does: a client gets its turn when the one before it has left. Default true. */
  oneAtATime?: boolean;
}

/** QEMU's monitor, as far as a test says: a real Unix socket, commands answered by handlers. */
export class FakeQmpServer {
  readonly path: string;
  /** Every command received, qmp_capabilities included, in order. */
  readonly calls: FakeCall[] = [];
  readonly #handlers = new Map<string, FakeHandler>();
  readonly #server: net.Server;
  readonly #connections = new Set<FakeConnection>();
  readonly #queue: FakeConnection[] = [];
  readonly #options: FakeQmpOptions;
  readonly #directory: string | undefined;
  #serving: FakeConnection | undefined;
  #connected = 0;

  private constructor(options: FakeQmpOptions) {
    this.#options = options;
    if (options.path === undefined)
      this.#directory = fs.mkdtempSync(path.join(os.tmpdir(), 'fake-qmp-'));
    this.path = options.path ?? path.join(this.#directory ?? '', 'qmp.sock');
    this.#server = net.createServer((socket) => this.#accept(socket));
    this.on('qmp_capabilities', () => ({}));
  }

  static async start(options: FakeQmpOptions = {}): Promise<FakeQmpServer> {
    const fake = new FakeQmpServer(options);
    await new Promise<void>((resolve, reject) => {
      fake.#server.once('error', reject);
      fake.#server.listen(fake.path, resolve);
    });
    return fake;
  }

  /** How many clients have ever connected, and how many are connected now. */
  get connected(): { ever: number; now: number } {
    return { ever: this.#connected, now: this.#connections.size };
  }

  /** The client being served. */
  get client(): FakeConnection {
    if (this.#serving === undefined) throw new Error('no client is connected to the fake');
    return this.#serving;
  }

  /** Commands without a handler are refused as CommandNotFound. */
  on(name: string, handler: FakeHandler): this {
    this.#handlers.set(name, handler);
    return this;
  }

  emit(event: string, data?: unknown): void {
    const timestamp = { seconds: 1_700_000_000, microseconds: 500_000 };
    this.client.send({ timestamp, event, data });
  }

  /** Names of the commands received, without the negotiation. */
  get commands(): string[] {
    return this.calls.map((call) => call.name).filter((name) => name !== 'qmp_capabilities');
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections) connection.hangUp();
    await new Promise((resolve) => this.#server.close(resolve));
    if (this.#directory !== undefined) removeTree(this.#directory);
  }

  #accept(socket: net.Socket): void {
    const connection = new FakeConnection(socket, (line) => this.#answer(connection, line));
    this.#connected += 1;
    this.#connections.add(connection);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#connections.delete(connection);
      const waited = this.#queue.indexOf(connection);
      // One that has left before its turn has none.
      if (waited !== -1) this.#queue.splice(waited, 1);
      if (this.#serving !== connection) return;
      this.#serving = undefined;
      const next = this.#queue.shift();
      if (next !== undefined) this.#serve(next);
    });
    const mustWait = this.#serving !== undefined && (this.#options.oneAtATime ?? true);
    if (mustWait) this.#queue.push(connection);
    else this.#serve(connection);
  }

  #serve(connection: FakeConnection): void {
    this.#serving = connection;
    const greeting = this.#options.greeting === undefined ? GREETING : this.#options.greeting;
    if (this.#options.ahead !== undefined) connection.send(this.#options.ahead);
    if (greeting !== null) connection.send(greeting);
    connection.start();
  }

  #answer(connection: FakeConnection, line: string): void {
    const request = JSON.parse(line) as {
      execute: string;
      arguments?: Record<string, unknown>;
      id?: unknown;
    };
    const { execute: name, arguments: args = {}, id } = request;
    const call = { name, args, id, connection };
    this.calls.push(call);
    const handler = this.#handlers.get(name);
    try {
      if (handler === undefined)
        throw new FakeRefusal(`The command ${name} has not been found`, 'CommandNotFound');
      const result = handler(call);
      if (result !== NO_REPLY) connection.send({ return: result, id });
    } catch (error) {
      if (!(error instanceof FakeRefusal)) throw error;
      connection.send({ error: { class: error.class, desc: error.message }, id });
    }
  }
}

export class FakeConnection {
  readonly #socket: net.Socket;
  readonly #onLine: (line: string) => void;

  constructor(socket: net.Socket, onLine: (line: string) => void) {
    this.#socket = socket;
    this.#onLine = onLine;
  }

  start(): void {
    let text = '';
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (chunk) => {
      const lines = (text + String(chunk)).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) if (line !== '') this.#onLine(line);
    });
  }

  /** One message, followed by QEMU's line end. */
  send(message: unknown): void {
    this.raw(`${JSON.stringify(message)}\r\n`);
  }

  raw(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  hangUp(): void {
    this.#socket.destroy();
  }
}
