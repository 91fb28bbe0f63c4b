import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { FakeRefusal, NO_REPLY } from './fake-qmp.ts';
import { removeTree } from './temporary.ts';

/** The line of one client; whoever holds it speaks with the agent's voice. */
export interface FakeAgentLine {
  send(message: unknown): void;
  raw(bytes: string | Uint8Array): void;
  hangUp(): void;
}

export interface FakeAgentCall {
  name: string;
  args: Record<string, unknown>;
  id: unknown;
  line: FakeAgentLine;
}

export type FakeAgentHandler = (call: FakeAgentCall) => unknown;

/** The answer of an agent in good order to guest-sync-delimited. */
export function syncReply(token: unknown): Buffer {
  return Buffer.concat([Buffer.from([0xff]), Buffer.from(`{"return": ${String(token)}}\n`)]);
}

/**
 * The socket of a guest agent, and a guest whose agent does what the test says. Serves one client at a time
 * as QEMU does: a second one connects and then hears nothing until the first has left.
 */
export class FakeAgent {
  readonly path: string;
  readonly calls: FakeAgentCall[] = [];
  /** Said to each client before it asks anything: what a client before it has left behind. */
  stale: Uint8Array | string = '';
  /** How many clients have been served. */
  served = 0;
  readonly #handlers = new Map<string, FakeAgentHandler>();
  readonly #directory = fs.mkdtempSync(path.join(os.tmpdir(), 'fake-agent-'));
  readonly #server: net.Server;
  readonly #queue: net.Socket[] = [];
  readonly #sockets = new Set<net.Socket>();
  #serving: net.Socket | undefined;

  private constructor() {
    this.path = path.join(this.#directory, 'qga.sock');
    this.#server = net.createServer((socket) => this.#accept(socket));
    this.on('guest-sync-delimited', ({ args, line }) => {
      line.raw(syncReply(args.id));
      return NO_REPLY;
    });
    this.on('guest-ping', () => ({}));
  }

  static async start(): Promise<FakeAgent> {
    const fake = new FakeAgent();
    await new Promise<void>((resolve, reject) => {
      fake.#server.once('error', reject);
      fake.#server.listen(fake.path, resolve);
    });
    return fake;
  }

  on(name: string, handler: FakeAgentHandler): this {
    this.#handlers.set(name, handler);
    return this;
  }

  /** Names of the commands received, without the synchronizing. */
  get commands(): string[] {
    return this.calls.map((call) => call.name).filter((name) => name !== 'guest-sync-delimited');
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    removeTree(this.#directory);
  }

  #accept(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      const waited = this.#queue.indexOf(socket);
      // One that has left before its turn has none.
      if (waited !== -1) this.#queue.splice(waited, 1);
      if (this.#serving !== socket) return;
      this.#serving = undefined;
      const next = this.#queue.shift();
      if (next !== undefined) this.#serve(next);
    });
    if (this.#serving === undefined) this.#serve(socket);
    else this.#queue.push(socket);
  }

  #serve(socket: net.Socket): void {
    this.#serving = socket;
    this.served += 1;
    const line: FakeAgentLine = {
      send: (message) => socket.write(`${JSON.stringify(message)}\n`),
      raw: (bytes) => socket.write(bytes),
      hangUp: () => socket.destroy(),
    };
    if (this.stale.length > 0) line.raw(this.stale);
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      const lines = (text + String(chunk)).split('\n');
      text = lines.pop() ?? '';
      for (const request of lines) this.#answer(line, request);
    });
  }

  #answer(line: FakeAgentLine, text: string): void {
    // What the real agent does on 0xFF: complain about the line it ended.
    if (text.startsWith('\xff'))
      line.send({ error: { class: 'GenericError', desc: 'JSON parse error, stray input' } });
    const request = JSON.parse(Buffer.from(text.replaceAll('\xff', ''), 'latin1').toString()) as {
      execute: string;
      arguments?: Record<string, unknown>;
      id?: unknown;
    };
    const { execute: name, arguments: args = {}, id } = request;
    const call = { name, args, id, line };
    this.calls.push(call);
    try {
      const handler = this.#handlers.get(name);
      if (handler === undefined)
        throw new FakeRefusal(`The command ${name} has not been found`, 'CommandNotFound');
      const result = handler(call);
      if (result !== NO_REPLY) line.send({ return: result, id });
    } catch (error) {
      if (!(error instanceof FakeRefusal)) throw error;
      line.send({ error: { class: error.class, desc: error.message }, id });
    }
  }
}
