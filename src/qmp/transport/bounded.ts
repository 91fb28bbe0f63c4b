import { monotonicMs } from '../../host/time.ts';

/** How long a call may take, as its caller says it. */
export interface CallOptions {
  /** Milliseconds from now; Infinity means no deadline. */
  deadlineMs?: number | undefined;
  /** When aborted, the call rejects at once with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** The parameters of a call that takes `A`; `args` may be left out where a command takes none. */
export type CallArguments<A, O extends CallOptions = CallOptions> = undefined extends A
  ? [args?: A, options?: O]
  : [args: A, options?: O];

/** The same as a fixed moment, so that several steps can share one deadline. */
export interface Limits {
  /** As it was said, whole, for messages. */
  readonly deadlineMs: number;
  /** On the clock of monotonicMs(). */
  readonly end: number;
  readonly signal: AbortSignal | undefined;
}

export function limitsOf(options: CallOptions, defaultMs: number): Limits {
  const deadlineMs = options.deadlineMs ?? defaultMs;
  if (Number.isNaN(deadlineMs)) throw new RangeError('deadlineMs is not a number');
  return {
    deadlineMs: Math.max(0, Math.round(deadlineMs)),
    end: monotonicMs() + deadlineMs,
    signal: options.signal,
  };
}

export interface Settle<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/**
 * A promise that settles by what `begin` starts, at the deadline, or by the signal, whichever is first.
 * `begin` returns how to stop waiting; that, the timer and the listener are gone once it has settled.
 */
export function bounded<T>(
  limits: Limits,
  onDeadline: () => Error,
  begin: (settle: Settle<T>) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const { signal } = limits;
    if (signal?.aborted) return reject(signal.reason);
    const remaining = limits.end - monotonicMs();
    if (remaining <= 0) return reject(onDeadline());

    let settled = false;
    let stop: (() => void) | undefined;
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      stop?.();
      act();
    };
    const onAbort = (): void => settle(() => reject(signal?.reason));
    // Node fires timers beyond 2^31-1 ms at once: so long a wait needs none.
    const timer =
      remaining > 0x7fffffff
        ? undefined
        : setTimeout(() => settle(() => reject(onDeadline())), Math.ceil(remaining));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      stop = begin({
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
      });
    } catch (error) {
      settle(() => reject(error));
    }
    if (settled) stop?.();
  });
}
