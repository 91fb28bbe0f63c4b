import { mayAskAgain } from '../errors.ts';
import { readVmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import type { Host } from './host.ts';
import { Journal, journaled } from './journal.ts';
import { withVmLock } from './lock.ts';
import { recover } from './recover.ts';
import type { Started } from './root-side.ts';

/** Starts a VM that is off; one that was paused goes on. */
export function startVm(host: Host, name: VmName): Promise<Started['outcome']> {
  return withVmLock(host, name, 'start', async () => {
    try {
      return await startHeld(host, name);
    } catch (error) {
      if (!mayAskAgain(error)) throw error;
    }
    // On a busy host the root agent may end it before it is through. The journal stands: what is left of it is settled.
    const outcome = await startHeld(host, name);
    return outcome === 'running' ? 'started' : outcome;
  });
}

/** The same for one whose lock is held. */
export async function startHeld(host: Host, name: VmName): Promise<Started['outcome']> {
  await recover(host, name);
  // Without a VM nothing is begun.
  readVmConfig(name, host.paths.vm(name));
  const journal = new Journal(host, name, { verb: 'start' });
  const { outcome } = await journaled(journal, () => host.root.start({ name }));
  return outcome;
}
