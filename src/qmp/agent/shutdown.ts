import type { CallOptions } from '../transport/bounded.ts';
import type { AgentClient } from './client.ts';
import { AgentGoneError } from './errors.ts';

/**
 * Has the guest's operating system shut itself down, and returns once the agent has accepted that.
 * The agent answers this command only when it refuses, so a ping is sent behind it: it works in order.
 */
export async function guestShutdown(
  agent: AgentClient,
  mode: 'powerdown' | 'halt' | 'reboot',
  options: CallOptions = {},
): Promise<void> {
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(options.signal?.reason);
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const limits = { deadlineMs: options.deadlineMs, signal: stop.signal };
  try {
    await Promise.race([
      agent.executeRaw('guest-shutdown', { mode }, limits),
      agent.execute('guest-ping', undefined, limits),
    ]);
  } catch (error) {
    // A guest that is fast takes the connection with it.
    if (!(error instanceof AgentGoneError)) throw error;
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    stop.abort();
  }
}
