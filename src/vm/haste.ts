import type { RootContext } from './host.ts';

/** A healthy QEMU answers in milliseconds. */
const DEADLINE_MS = 2000;
/**
 * Whoever waits behind a door holds others up, and who holds a VM's monitor may mean to; but a QEMU whose CPU time
 * is limited needs a moment. Asking again is the other side's.
 */
const HASTY_MS = 700;

/** How long QEMU may take in all: whoever drips, one answer after the other, gets no more. */
export function deadlineOf({ inHaste }: Pick<RootContext, 'inHaste'>): number {
  return inHaste === true ? HASTY_MS : DEADLINE_MS;
}
