import type { VmRecord } from '../store/record.ts';

const DAY_MS = 86_400_000;

export type Due = 'suspend' | 'destroy' | 'paid' | undefined;

/**
 * What is due for a VM (contract §2.6): suspending once it has expired, destroying when it has been
 * suspended for longer than the grace. `paid`: it would be destroyed, but its expiry lies in the future,
 * since its owner paid and resuming it failed. A time nobody can read is never a reason.
 */
export function dueFor(record: VmRecord, now: number, graceDays: number): Due {
  const expires = momentMs(record.expires_at);
  if (record.status === 'active') return expires < now ? 'suspend' : undefined;
  if (record.status !== 'suspended') return undefined;
  const since = record.suspended_at;
  const graceEnds = (typeof since === 'string' ? momentMs(since) : Number.NaN) + graceDays * DAY_MS;
  if (!(graceEnds < now)) return undefined;
  if (expires > now) return 'paid';
  return Number.isNaN(expires) ? undefined : 'destroy';
}

/** A moment without an offset, as a careless writer leaves it, is UTC. NaN for what is no moment. */
export function momentMs(text: string): number {
  const offset = /(Z|[+-]\d{2}:?\d{2})$/.test(text);
  return Date.parse(offset || !text.includes('T') ? text : `${text}Z`);
}
