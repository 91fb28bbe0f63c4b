import { InputError, NotFoundError } from '../errors.ts';
import type { VmRecord } from '../store/record.ts';
import type { VmName } from '../types.ts';
import { momentMs } from './gc-due.ts';
import type { Host } from './host.ts';
import { startVm } from './start.ts';
import { withTransition } from './transition.ts';
import { within } from './within.ts';

export interface ResumeOptions {
  extendDays: number | undefined;
  dryRun: boolean;
  /** Only the record is real. */
  mock: boolean;
}

export interface Resumed {
  expiresAt: string;
}

const DAY_MS = 86_400_000;

/**
 * Starts a VM that `gc` suspended and marks it active again. Engines extend the expiry before and name no
 * days: a future expiry is paid for and stays; a past one becomes that of a new VM.
 * @throws InputError unless its record says suspended.
 */
export function resumeVm(host: Host, name: VmName, options: ResumeOptions): Promise<Resumed> {
  const { extendDays } = options;
  if (extendDays !== undefined) within('--extend-days', extendDays, 0, 36_500, 'a hundred years');
  return withTransition(host, name, 'resume', async () => {
    const record = await host.store.get(name);
    if (record === undefined) throw new NotFoundError(`VM ${name} has no record`);
    if (record.status !== 'suspended') {
      throw new InputError(`VM ${name} is not suspended but ${record.status}`, {
        hint: 'resume is for VMs that gc has suspended',
      });
    }
    const expiresAt = newExpiry(record, Date.now(), options.extendDays, host);
    if (options.dryRun) return { expiresAt };
    if (!options.mock) await startVm(host, name);
    await host.store.activate(name, expiresAt);
    return { expiresAt };
  });
}

function newExpiry(
  record: VmRecord,
  now: number,
  extendDays: number | undefined,
  { settings }: Host,
): string {
  const current = momentMs(record.expires_at);
  if (extendDays === undefined && current > now) return record.expires_at;
  const from = current > now ? current : now;
  const days = extendDays ?? settings.default_expiry_days;
  return new Date(from + days * DAY_MS).toISOString().replace('Z', '+00:00');
}
