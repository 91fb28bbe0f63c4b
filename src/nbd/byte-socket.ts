import * as net from 'node:net';
import { messageOf } from '../errors.ts';
import { NbdError } from './errors.ts';

/** Neither a busy disk nor a busy host takes longer to answer one request, which may be a flush. */
const SILENCE_MS = 600_000;

/** A Unix socket that is read in pieces of a known length. */
export class ByteSocket {
  readonly #socket: net.Socket;
  readonly #signal: AbortSignal;
  #failure: Error | undefined;
  #chunks: Buffer[] = [];
  #have = 0;
  #wake: () => void = () => undefined;

  private constructor(socket: net.Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    socket.on('timeout', () =>
      socket.destroy(new NbdError(`the NBD server said nothing for ${SILENCE_MS / 1000} s`)),
    );
    socket.on('data', (bytes: Buffer) => {
      this.#chunks.push(bytes);
      this.#have += bytes.length;
      this.#wake();
    });
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
    socket.on('drain', () => this.#wake());
    socket.on('close', () => {
      this.#failure ??= new NbdError('the NBD server closed the connection');
      this.#wake();
    });
  }

  static connect(path: string, signal: AbortSignal): Promise<ByteSocket> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const socket = net.createConnection({ path });
      // Node's own listener would stay after each attempt that fails.
      const abort = (): unknown => socket.destroy(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      socket.once('close', () => signal.removeEventListener('abort', abort));
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new ByteSocket(socket, signal));
      });
    });
  }

  /** The next `length` bytes. @throws NbdError when they do not come; the signal's reason when aborted. */
  async take(length: number): Promise<Buffer> {
    while (this.#have < length) {
      this.#assertOpen();
      await this.#change();
    }
    const all = Buffer.concat(this.#chunks, this.#have);
    this.#have -= length;
    this.#chunks = this.#have > 0 ? [all.subarray(length)] : [];
    return all.subarray(0, length);
  }

  async send(...parts: Uint8Array[]): Promise<void> {
    this.#assertOpen();
    const going = parts.map((part) => this.#socket.write(part));
    if (going.at(-1) === false) await this.#change();
  }

  end(bytes: Uint8Array): void {
    this.#socket.end(bytes);
  }

  close(): void {
    this.#socket.destroy();
  }

  #assertOpen(): void {
    if (this.#failure === undefined) return;
    this.#signal.throwIfAborted();
    if (this.#failure instanceof NbdError) throw this.#failure;
    throw new NbdError(`the NBD connection failed: ${messageOf(this.#failure)}`, {
      cause: this.#failure,
    });
  }

  /** Only who waits for the server counts its silence: between two requests it has nothing to say. */
  async #change(): Promise<void> {
    this.#socket.setTimeout(SILENCE_MS);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#socket.setTimeout(0);
  }
}
