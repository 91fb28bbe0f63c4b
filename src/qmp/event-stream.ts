import type { QmpEvent } from './events.ts';

/**
 * The events of one connection from the moment it was asked for, as an async iterable.
 * Ends when the connection does; `client.closed` says why. Events nobody reads are kept up to `limit`,
 * then the oldest are dropped and counted.
 */
export class EventStream implements AsyncIterableIterator<QmpEvent> {
  /** How many events were lost because they were not read in time. */
  dropped = 0;
  readonly #limit: number;
  readonly #onClose: (stream: EventStream) => void;
  #buffer: QmpEvent[] = [];
  readonly #readers: ((result: IteratorResult<QmpEvent>) => void)[] = [];
  #ended = false;

  constructor(limit: number, onClose: (stream: EventStream) => void) {
    this.#limit = Math.max(1, limit);
    this.#onClose = onClose;
  }

  push(event: QmpEvent): void {
    if (this.#ended) return;
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader({ value: event, done: false });
      return;
    }
    if (this.#buffer.length === this.#limit) {
      this.#buffer.shift();
      this.dropped += 1;
    }
    this.#buffer.push(event);
  }

  /** No more will come; what is buffered can still be read. */
  end(): void {
    this.#ended = true;
    for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<QmpEvent>> {
    const value = this.#buffer.shift();
    if (value !== undefined) return Promise.resolve({ value, done: false });
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  /** Called by `break` in a for-await loop; also the way to stop listening early. */
  return(): Promise<IteratorResult<QmpEvent>> {
    this.#buffer = [];
    this.end();
    this.#onClose(this);
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
