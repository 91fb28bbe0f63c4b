import { messageOf, NotFoundError, ProvisionerError } from '../../errors.ts';
import { hasRoomAgain } from '../../host/free-space.ts';
import { incarnationKey, runningIncarnation } from '../../store/incarnation.ts';
import { readVmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { endVm } from '../end-vm.ts';
import type { Host } from '../host.ts';
import { hasJournal, readJournal } from '../journal.ts';
import { withVmLock } from '../lock.ts';
import { observe } from '../observe.ts';
import { recover } from '../recover.ts';
import { startHeld } from '../start.ts';
import { type Attempts, readAttempts, writeAttempts } from './attempts.ts';
import { type Crash, crashOf } from './crash.ts';
import { afterFailure, type Backoff, planFor } from './plan.ts';

export type RestartOutcome =
  | { what: 'left'; why: string }
  | { what: 'busy'; dueMs: number }
  | { what: 'goes-on' }
  | { what: 'started'; attempt: number }
  | { what: 'waits'; attempt: number; dueMs: number }
  | { what: 'failed'; attempt: number; dueMs: number; why: string }
  | { what: 'gave-up'; attempts: number; why: string | null };

/** For QEMU to flush its caches and end, when it keeps a guest that died. */
const QUIT_MS = 2000;

/**
 * Examines one VM: starts it if it has crashed, its policy says so and its time has come; lets it go on if it was paused
 * because the disk was full, and there is room again.
 */
export async function restartVm(
  host: Host,
  name: VmName,
  backoff: Backoff,
): Promise<RestartOutcome> {
  if (await isStuck(host, name))
    return await withVmLock(host, name, 'restart-crashed', () => goOn(host, name));
  // Without its lock first: most have not crashed, and nobody has to wait for us to find out.
  const first = hasDied(host, name) ? undefined : await reasonToLeave(host, name);
  if (typeof first === 'string') return { what: 'left', why: first };
  return await withVmLock(host, name, 'restart-crashed', async () => {
    if (hasDied(host, name)) await recover(host, name);
    const crash = await reasonToLeave(host, name);
    if (typeof crash === 'string') return { what: 'left', why: crash };
    const known = readAttempts(host.paths, name);
    const plan = planFor(known, crash, Date.now(), backoff);
    if (plan !== known) writeAttempts(host.paths, name, plan);
    if (plan.due_at === null) return { what: 'gave-up', attempts: plan.attempts, why: plan.error };
    const dueMs = Date.parse(plan.due_at);
    const attempt = plan.attempts + 1;
    if (dueMs > Date.now()) return { what: 'waits', attempt, dueMs };
    return await tryOnce(host, name, crash, { ...plan, attempts: attempt }, backoff);
  });
}

/** An attempt of ours has died in the middle of its start, which is ours to finish, too. */
function hasDied(host: Host, name: VmName): boolean {
  return (
    readJournal(host, name)?.verb === 'start' && readAttempts(host.paths, name)?.state === 'trying'
  );
}

/** It waits for room, and there is some. */
async function isStuck(host: Host, name: VmName): Promise<boolean> {
  const { qemuStatus } = await observe(host, name);
  if (qemuStatus !== 'io-error' || !hasRoomAgain(host.paths.state)) return false;
  return (await host.store.get(name))?.status === 'active' && !hasJournal(host, name);
}

async function goOn(host: Host, name: VmName): Promise<RestartOutcome> {
  if (!(await isStuck(host, name))) return { what: 'left', why: 'it does not wait for room' };
  await startHeld(host, name);
  return { what: 'goes-on' };
}

/** The crash, or why there is nothing for us to do. */
async function reasonToLeave(host: Host, name: VmName): Promise<Crash | string> {
  try {
    if (readVmConfig(name, host.paths.vm(name)).restart !== 'on-crash') return 'its policy says so';
  } catch (error) {
    if (error instanceof NotFoundError) return 'it does not exist';
    throw error;
  }
  if ((await host.store.get(name))?.status !== 'active') return 'its record is not active';
  // A disk may be half-way between two states; whoever starts it sees to that.
  if (hasJournal(host, name)) return 'a verb that died has to be finished first';
  return (await crashOf(host, name)) ?? 'it has not crashed';
}

async function tryOnce(
  host: Host,
  name: VmName,
  crash: Crash,
  trying: Attempts,
  backoff: Backoff,
): Promise<RestartOutcome> {
  const { paths } = host;
  const attempt = trying.attempts;
  // Written before: an attempt that dies counts.
  writeAttempts(paths, name, { ...trying, state: 'trying', due_at: null });
  try {
    if (crash.isAlive) await endVm(host, name, 'restart-crashed', QUIT_MS);
    if ((await startHeld(host, name)) !== 'started')
      throw new ProvisionerError('somebody else has started it');
  } catch (error) {
    host.signal.throwIfAborted();
    const after = afterFailure(trying, messageOf(error), Date.now(), backoff);
    writeAttempts(paths, name, after);
    return after.due_at === null
      ? { what: 'gave-up', attempts: attempt, why: after.error }
      : { what: 'failed', attempt, dueMs: Date.parse(after.due_at), why: messageOf(error) };
  }
  const run = runningIncarnation(paths.vm(name));
  writeAttempts(paths, name, {
    ...trying,
    started: run === undefined ? null : incarnationKey(run),
    state: 'started',
    at: new Date().toISOString(),
    due_at: null,
    error: null,
  });
  return { what: 'started', attempt };
}
