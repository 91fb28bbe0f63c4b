import type { VmConfig } from '../store/vm-config.ts';
import type { RootContext } from './host.ts';

/**
 * Milliseconds. A healthy QEMU answers in a few; with 1 % of a CPU, and a guest that uses all of that, four answers
 * take up to a second.
 */
const DEADLINE = { usual: 2000, limited: 5000 };
/** Whoever waits behind a door holds others up, and who holds a VM's monitor may mean to. Asking again is the other side's. */
const IN_HASTE = { usual: 700, limited: 2000 };

/**
 * How long QEMU may take in all: whoever drips, one answer after the other, gets no more.
 * @param limits the VM's, where they may be why it is slow.
 */
export function deadlineOf(
  { inHaste }: Pick<RootContext, 'inHaste'>,
  limits: VmConfig['limits'] = {},
): number {
  const deadline = inHaste === true ? IN_HASTE : DEADLINE;
  return limits.cpu_quota === undefined ? deadline.usual : deadline.limited;
}
