import * as net from 'node:net';
import { ProvisionerError } from '../../../src/errors.ts';

/** A socket on which both sides write lines: what QMP and the guest agent are, without any protocol. */
export class LineSocket {
  /** Every byte received and not yet taken by a reader. */
  received = Buffer.alloc(0);
  readonly #socket: net.Socket;
  #wake: () => void = () => undefined;
  #ended = false;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => {
      this.received = Buffer.concat([this.received, bytes]);
      this.#wake();
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on('error', () => undefined);
  }

  static connect(path: string): Promise<LineSocket> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(path);
      socket.once('connect', () => resolve(new LineSocket(socket)));
      socket.once('error', reject);
    });
  }

  send(value: unknown): void {
    this.#socket.write(`${JSON.stringify(value)}\n`);
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The next line as text; a 0xff before it is dropped. */
  async line(deadlineMs: number): Promise<string> {
    await this.until(() => this.received.includes(0x0a), 'a line', deadlineMs);
    const end = this.received.indexOf(0x0a);
    const line = this.received.subarray(0, end);
    this.received = this.received.subarray(end + 1);
    return line
      .subarray(line.lastIndexOf(0xff) + 1)
      .toString('utf8')
      .trimEnd();
  }

  /** Resolves when at least so many bytes wait to be read. */
  bytes(count: number, deadlineMs: number): Promise<void> {
    return this.until(() => this.received.length >= count, `${count} bytes`, deadlineMs);
  }

  async until(done: () => boolean, what: string, deadlineMs: number): Promise<void> {
    const end = performance.now() + deadlineMs;
    while (!done()) {
      const left = end - performance.now();
      if (this.#ended) throw new ProvisionerError(`the socket was closed before ${what} came`);
      if (left <= 0) throw new ProvisionerError(`${what} did not come within ${deadlineMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
