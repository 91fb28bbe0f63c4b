import * as fs from 'node:fs';
import { BusyError, messageOf } from '../../errors.ts';
import { monotonicMs, sleep } from '../../host/time.ts';
import { allConfigs } from '../../store/all-configs.ts';
import { isVmName, type VmName } from '../../types.ts';
import { inTurns } from '../fleet.ts';
import type { Host } from '../host.ts';
import { withVmLock } from '../lock.ts';
import { BACKOFF, type Backoff } from './plan.ts';
import { type RestartOutcome, restartVm } from './restart-vm.ts';

export interface RestartOptions {
  /** How long attempts that are due later are waited for. */
  patienceMs: number;
  backoff?: Backoff;
  onOutcome(name: VmName, outcome: RestartOutcome): void;
}

/** How often the sampler's marks are looked for meanwhile. */
const LOOK_MS = 500;
/** Starting costs the host more than waiting. */
const AT_ONCE = 2;
const BUSY_MS = 2000;
/** Marks that nobody can take away must not have the unit started again and again. */
const STUBBORN_MS = 5000;

/**
 * Starts VMs whose policy says so after a crash, each when its time has come. Looks at all of them first, then at
 * those that wait and those the sampler marks; a mark is only a hint. One that cannot be looked at is looked at again, as
 * often as a start is tried. @returns those it could not look at in the end.
 */
export async function restartCrashed(host: Host, options: RestartOptions): Promise<VmName[]> {
  const { paths } = host;
  const end = monotonicMs() + options.patienceMs;
  const due = new Map<VmName, number>();
  const failures = new Map<VmName, Failure>();
  let names = allConfigs(paths)
    .filter(({ config }) => config?.restart === 'on-crash')
    .map(({ name }) => name);
  for (;;) {
    const marked = marksIn(paths.crashMarks);
    for (const name of marked) await acknowledge(host, name);
    const now = [...new Set([...marked, ...names])];
    await restartEach(host, now, options, { due, failures });
    const earliest = Math.min(...due.values());
    if (due.size === 0 || earliest > end) break;
    await sleep(Math.max(1, Math.min(LOOK_MS, earliest - monotonicMs())), host.signal);
    names = [...due].filter(([, at]) => at <= monotonicMs()).map(([name]) => name);
  }
  if (marksIn(paths.crashMarks).length > 0 && options.patienceMs > STUBBORN_MS)
    await sleep(STUBBORN_MS, host.signal);
  return [...failures.keys()];
}

interface Looks {
  /** When each is looked at next (monotonicMs): who sets the clock back puts no attempt off. */
  due: Map<VmName, number>;
  failures: Map<VmName, Failure>;
}

/** Looking at a VM has failed so many times, one after the other. */
interface Failure {
  times: number;
  why: string;
}

async function restartEach(
  host: Host,
  names: readonly VmName[],
  { backoff = BACKOFF, onOutcome }: RestartOptions,
  { due, failures }: Looks,
): Promise<void> {
  const { failed } = await inTurns(host, names, AT_ONCE, async (name) => {
    due.delete(name);
    const outcome = await patiently(() => restartVm(host, name, backoff));
    failures.delete(name);
    if ('dueMs' in outcome) due.set(name, monotonicMs() + outcome.dueMs - Date.now());
    onOutcome(name, outcome);
  });
  for (const { name, why } of failed) {
    const before = failures.get(name);
    if (before?.why !== why) host.report(`VM ${name}: ${why}`);
    const times = (before?.times ?? 0) + 1;
    failures.set(name, { times, why });
    const pauseMs = backoff.pausesMs[times - 1];
    if (pauseMs !== undefined) due.set(name, monotonicMs() + pauseMs);
  }
}

/** Another verb works on it: afterwards there may be nothing to do. */
async function patiently(work: () => Promise<RestartOutcome>): Promise<RestartOutcome> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BusyError)) throw error;
    return { what: 'busy', dueMs: Date.now() + BUSY_MS };
  }
}

/** Takes the mark away, and what is left of the run, once its end is noted. */
async function acknowledge(host: Host, name: VmName): Promise<void> {
  try {
    await withVmLock(
      host,
      name,
      'restart-crashed',
      () => host.root.end({ name, by: 'restart-crashed', how: 'tidy', wait_ms: 0 }),
      0,
    );
  } catch (error) {
    host.signal.throwIfAborted();
    // Whoever works on it will be done soon, and the mark is still there.
    if (!(error instanceof BusyError)) host.report(`VM ${name}: ${messageOf(error)}`);
  }
}

function marksIn(directory: string): VmName[] {
  try {
    return fs.readdirSync(directory).filter(isVmName);
  } catch {
    return [];
  }
}
