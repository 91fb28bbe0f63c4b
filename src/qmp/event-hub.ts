import type { QmpError } from './errors.ts';
import { EventStream } from './event-stream.ts';
import { importEvent, type QmpEvent } from './events.ts';

interface Listener {
  event(event: QmpEvent): void;
  end(reason: QmpError): void;
}

/** Hands each event to everybody who listens, and tells them all when there will be no more. */
export class EventHub {
  readonly #streams = new Set<EventStream>();
  readonly #listeners = new Set<Listener>();
  #ended: QmpError | undefined;

  stream(limit: number): EventStream {
    const stream = new EventStream(limit, (closed) => this.#streams.delete(closed));
    if (this.#ended !== undefined) stream.end();
    else this.#streams.add(stream);
    return stream;
  }

  /** Returns how to stop listening. */
  listen(event: Listener['event'], end: Listener['end']): () => void {
    const listener = { event, end };
    if (this.#ended !== undefined) end(this.#ended);
    else this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(name: string, body: Record<string, unknown>): void {
    if (this.#streams.size === 0 && this.#listeners.size === 0) return;
    const event = importEvent(name, body);
    for (const listener of [...this.#listeners]) listener.event(event);
    for (const stream of this.#streams) stream.push(event);
  }

  end(reason: QmpError): void {
    this.#ended ??= reason;
    for (const listener of [...this.#listeners]) listener.end(reason);
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }
}
