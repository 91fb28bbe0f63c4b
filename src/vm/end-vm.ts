import { ProvisionerError } from '../errors.ts';
import type { VmName } from '../types.ts';
import type { Host } from './host.ts';

export type Rung = 'absent' | 'quit' | 'killed';

/** How long the kernel may take to end a process after SIGKILL; longer means it hangs in the kernel. */
const KILL_DEADLINE_MS = 10_000;

/**
 * Ends a VM's QEMU and takes away what its run left, and returns only when both are done.
 * @param graceMs for QEMU to end by itself after `quit`, flushing its caches; 0 kills at once.
 * @throws ProvisionerError when it survives SIGKILL; nothing of the VM may be removed then.
 */
export async function endVm(host: Host, name: VmName, graceMs: number): Promise<Rung> {
  const vmid = (await host.store.get(name))?.vmid;
  const request = { name, ...(vmid === undefined ? {} : { vmid }) };
  if (graceMs > 0) {
    const { ran, gone } = await host.root.end({ ...request, how: 'quit', wait_ms: graceMs });
    if (gone) return ran ? 'quit' : 'absent';
  }
  const { ran, gone } = await host.root.end({
    ...request,
    how: 'kill',
    wait_ms: KILL_DEADLINE_MS,
  });
  if (gone) return ran ? 'killed' : 'absent';
  throw new ProvisionerError(`VM ${name}: QEMU does not end, even by SIGKILL`, {
    hint: 'its storage probably hangs: look at the kernel log, then try again',
  });
}
