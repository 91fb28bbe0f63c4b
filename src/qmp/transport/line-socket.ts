import type * as net from 'node:net';
import type { Stream } from './connect.ts';
import { LineReader, type LineReaderEvents } from './line-reader.ts';

export interface LineSocketEvents extends LineReaderEvents {
  /** Bytes arrived, before they are cut into lines. */
  onBytes?(count: number): void;
  /** The other side has ended the connection; called at most once, never after destroy(). */
  onEnd(cause: Error | undefined): void;
}

/** A connected socket that speaks in lines. After destroy() nothing is called any more. */
export class LineSocket {
  readonly reader: LineReader;
  readonly #socket: net.Socket;
  #over = false;

  constructor(
    { socket, listen }: Stream,
    events: LineSocketEvents,
    options: { maxLineBytes: number; mark?: number },
  ) {
    this.#socket = socket;
    this.reader = new LineReader(
      {
        // One chunk can hold several lines, and handling the first may destroy the socket.
        onLine: (line, afterMark) => {
          if (!this.#over) events.onLine(line, afterMark);
        },
        onTooLong: () => {
          if (!this.#over) events.onTooLong();
        },
      },
      options,
    );
    const end = (cause: Error | undefined): void => {
      if (this.#over) return;
      this.destroy();
      events.onEnd(cause);
    };
    listen((chunk) => {
      if (this.#over) return;
      events.onBytes?.(chunk.length);
      if (!this.#over) this.reader.push(chunk);
    });
    socket.on('error', end);
    socket.on('end', () => end(undefined));
    socket.on('close', () => end(undefined));
    // The end is told only to who reads on.
    socket.resume();
  }

  write(data: string | Uint8Array): void {
    if (this.#over) return;
    // What is asked in one turn goes out in one system call.
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      process.nextTick(() => this.#socket.uncork());
    }
    this.#socket.write(data);
  }

  /** For a line that is alone in its turn, and so has nothing to go out with; characters of Latin-1 only. */
  writeAlone(line: string): void {
    if (!this.#over) this.#socket.write(line, 'latin1');
  }

  destroy(): void {
    this.#over = true;
    if (this.#socket.writableCorked > 0) this.#socket.uncork();
    this.#socket.destroy();
  }
}
