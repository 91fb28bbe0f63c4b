import { type QmpError, QmpProtocolError, QmpTimeoutError } from './errors.ts';
import type { QmpEvent } from './events.ts';
import { isEventName } from './events.ts';
import { bounded, type CallOptions, limitsOf } from './transport/bounded.ts';

export interface OnceOptions<E> extends CallOptions {
  /** Events can be a long time coming, so how long is always said; Infinity is possible. */
  deadlineMs: number;
  /** Only an event for which this is true counts. */
  filter?: ((event: E) => boolean) | undefined;
}

/** Where `once` listens: told of each event, and of the end. Returns how to stop listening. */
export type Listen = (
  onEvent: (event: QmpEvent) => void,
  onEnd: (reason: QmpError) => void,
) => () => void;

export function once(
  listen: Listen,
  name: string,
  options: OnceOptions<QmpEvent>,
): Promise<QmpEvent> {
  const limits = limitsOf(options, options.deadlineMs);
  const onDeadline = (): QmpError =>
    new QmpTimeoutError(`QEMU sent no ${name} event within ${limits.deadlineMs} ms`);
  const event = bounded<QmpEvent>(limits, onDeadline, ({ resolve, reject }) =>
    listen((event) => {
      if (event.name !== name) return;
      if (event.kind === 'raw' && isEventName(name))
        return reject(
          new QmpProtocolError(`QEMU's ${name} event is malformed: ${event.problem ?? 'no data'}`),
        );
      try {
        if (options.filter?.(event) ?? true) resolve(event);
      } catch (error) {
        reject(error);
      }
    }, reject),
  );
  // When the command meant to cause the event fails, nobody comes back for this promise.
  event.catch(() => {});
  return event;
}
