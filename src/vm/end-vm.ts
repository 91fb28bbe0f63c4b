import { messageOf, ProvisionerError } from '../errors.ts';
import type { Ender } from '../store/last-run.ts';
import type { VmName } from '../types.ts';
import type { Host } from './host.ts';

export type Rung = 'absent' | 'quit' | 'killed';

/** How long the kernel may take to end a process after SIGKILL; longer means it hangs in the kernel. */
const KILL_DEADLINE_MS = 10_000;

/**
 * Ends a VM's QEMU and takes away what its run left, and returns only when both are done.
 * @param by for whom: kept with how the run ended.
 * @param graceMs for QEMU to end by itself after `quit`, flushing its caches; 0 kills at once.
 * @throws ProvisionerError when it survives SIGKILL; nothing of the VM may be removed then.
 */
export async function endVm(host: Host, name: VmName, by: Ender, graceMs: number): Promise<Rung> {
  const vmid = await vmidOf(host, name);
  const request = { name, by, ...(vmid === undefined ? {} : { vmid }) };
  let quit = { ran: false, gone: false };
  if (graceMs > 0) {
    quit = await host.root.end({ ...request, how: 'quit', wait_ms: graceMs });
    if (quit.gone) return quit.ran ? 'quit' : 'absent';
  }
  const killed = await host.root.end({ ...request, how: 'kill', wait_ms: KILL_DEADLINE_MS });
  // It may have quit between the two.
  if (killed.gone) return killed.ran ? 'killed' : quit.ran ? 'quit' : 'absent';
  throw new ProvisionerError(`VM ${name}: QEMU does not end, even by SIGKILL`, {
    hint: 'its storage probably hangs: look at the kernel log, then try again',
  });
}

/** Only what the VM has in the network depends on it: no damaged record keeps a QEMU from being ended. */
async function vmidOf(host: Host, name: VmName): Promise<number | undefined> {
  try {
    return (await host.store.get(name))?.vmid;
  } catch (error) {
    host.signal.throwIfAborted();
    host.report(`VM ${name}: ended without its record: ${messageOf(error)}`);
    return undefined;
  }
}
