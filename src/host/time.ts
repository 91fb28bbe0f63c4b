/** Milliseconds of a clock that never jumps. Not `performance`: Node loads that when it is first used. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Resolves after `ms`; rejects with the signal's reason as soon as it is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * Asks `probe` until it gives something other than undefined, or the deadline has passed (then undefined).
 * The pause between two probes is `everyMs`.
 */
export async function poll<T>(
  probe: () => T | undefined | Promise<T | undefined>,
  options: { deadlineMs: number; everyMs: number; signal?: AbortSignal | undefined },
): Promise<T | undefined> {
  const end = monotonicMs() + options.deadlineMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (monotonicMs() >= end) return undefined;
    await sleep(options.everyMs, options.signal);
  }
}
