import type { QmpClient } from '../client.ts';
import type { CallOptions } from '../transport/bounded.ts';

/**
 * Whether something in the guest has the agent's port open; asks QEMU only, so it never waits for the guest.
 * True also for an agent that is stuck, and for one in a paused VM.
 */
export async function isAgentOpen(
  qmp: QmpClient,
  options: CallOptions & { label?: string } = {},
): Promise<boolean> {
  const label = options.label ?? 'qga';
  const chardevs = await qmp.execute('query-chardev', undefined, options);
  return chardevs.some((chardev) => chardev.label === label && chardev['frontend-open']);
}
