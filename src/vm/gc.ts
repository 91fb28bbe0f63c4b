import { messageOf, NotFoundError } from '../errors.ts';
import type { VmRecord } from '../store/record.ts';
import { isVmName, type VmName } from '../types.ts';
import { destroyVm } from './destroy.ts';
import { dueFor } from './gc-due.ts';
import type { Host } from './host.ts';
import { outcomeWords } from './restart/outcome-words.ts';
import { restartCrashed } from './restart/restart-crashed.ts';
import type { RestartOutcome } from './restart/restart-vm.ts';
import { startVm } from './start.ts';
import { STOP_LIMIT_MS, stopVm } from './stop.ts';
import { sweep } from './sweep.ts';
import { tidyEnded } from './tidy.ts';
import { withTransition } from './transition.ts';
import { finish, unfinished } from './unfinished.ts';

/** Enough for an attempt that is due at once. */
const FIRST_ATTEMPT_MS = 2000;

export type GcPhase = 'suspend' | 'destroy';

export interface GcOptions {
  /** False: only tell what would be done. */
  execute: boolean;
  phases: readonly GcPhase[];
  graceDays: number;
  /** Only the records are real; there are no VMs to be stopped. */
  mock: boolean;
}

export interface GcOutcome {
  name: string;
  what:
    | 'finished'
    | 'restarted'
    | 'continued'
    | 'suspended'
    | 'destroyed'
    | 'left'
    | 'failed'
    | 'would suspend'
    | 'would destroy';
  why: string;
}

/**
 * Finishes what killed verbs left half-done, suspends what has expired, then destroys what has been suspended
 * for longer than the grace.
 */
export async function collectGarbage(host: Host, options: GcOptions): Promise<GcOutcome[]> {
  const outcomes = options.execute && !options.mock ? await finishAll(host) : [];
  for (const phase of ['suspend', 'destroy'] as const) {
    if (!options.phases.includes(phase)) continue;
    for (const record of await host.store.list()) {
      host.signal.throwIfAborted();
      const due = dueFor(record, Date.now(), options.graceDays);
      if (due === 'paid' && phase === 'destroy') outcomes.push(paid(record));
      if (due === phase) outcomes.push(await attempt(host, record, phase, options));
    }
  }
  if (options.execute && !options.mock) {
    outcomes.push(...(await restartAll(host)));
    await tidyHost(host);
  }
  return outcomes;
}

async function finishAll(host: Host): Promise<GcOutcome[]> {
  await sweep(host);
  const outcomes: GcOutcome[] = [];
  for (const name of await unfinished(host)) {
    try {
      if (await finish(host, name)) {
        outcomes.push({ name, what: 'finished', why: 'a command that died had left it half-done' });
      }
    } catch (error) {
      host.signal.throwIfAborted();
      outcomes.push({ name, what: 'failed', why: messageOf(error) });
    }
  }
  // When nothing is unfinished any more: what is left then is nobody's.
  for (const failure of await tidyEnded(host)) outcomes.push({ ...failure, what: 'failed' });
  return outcomes;
}

/** Starts those whose crash nobody has seen, and tells of those that wait for their time or are given up. */
async function restartAll(host: Host): Promise<GcOutcome[]> {
  // Of each what was found last: it may wait before it is started.
  const outcomes = new Map<VmName, GcOutcome>();
  await restartCrashed(host, {
    patienceMs: FIRST_ATTEMPT_MS,
    onOutcome(name, outcome) {
      const told = restartOutcome(outcome);
      if (told !== undefined) outcomes.set(name, { name, ...told });
    },
  });
  return [...outcomes.values()];
}

function restartOutcome(outcome: RestartOutcome): Omit<GcOutcome, 'name'> | undefined {
  switch (outcome.what) {
    case 'started':
      return { what: 'restarted', why: 'it had crashed' };
    case 'goes-on':
      return { what: 'continued', why: 'there is room on its disk again' };
    case 'waits':
    case 'gave-up':
      return { what: 'left', why: `it ${outcomeWords(outcome)}` };
    case 'failed':
      return { what: 'failed', why: outcome.why };
    case 'left':
    case 'busy':
      return undefined;
  }
}

/** What VMs and commands that are gone have left on the host; `doctor` shows it. */
async function tidyHost(host: Host): Promise<void> {
  try {
    const { left, troubles } = await host.root.care({ mend: true });
    for (const { kind, name } of left) host.verbose(`mended: ${kind} ${name}`);
    for (const line of troubles) host.report(line);
  } catch (error) {
    host.signal.throwIfAborted();
    host.report(messageOf(error));
  }
}

async function attempt(
  host: Host,
  record: VmRecord,
  phase: GcPhase,
  options: GcOptions,
): Promise<GcOutcome> {
  const name = record.vm_name;
  const why =
    phase === 'suspend' ? `expired ${record.expires_at}` : `suspended ${suspendedAt(record)}`;
  if (!options.execute) return { name, what: `would ${phase}`, why };
  try {
    if (!isVmName(name)) throw new NotFoundError('its record has no valid name');
    return await withTransition(host, name, 'gc', () => act(host, name, phase, options, why));
  } catch (error) {
    host.signal.throwIfAborted();
    // One VM that cannot be collected holds up no other.
    return { name, what: 'failed', why: messageOf(error) };
  }
}

/** Judged once more, since the owner may have paid, or somebody resumed or destroyed it, meanwhile. */
async function act(
  host: Host,
  name: VmName,
  phase: GcPhase,
  options: GcOptions,
  why: string,
): Promise<GcOutcome> {
  const still = async (): Promise<boolean> => {
    const record = await host.store.get(name);
    return record !== undefined && dueFor(record, Date.now(), options.graceDays) === phase;
  };
  const left: GcOutcome = { name, what: 'left', why: 'its record has changed meanwhile' };
  if (!(await still())) return left;
  if (phase === 'destroy') {
    if (options.mock) await host.store.remove(name);
    else await destroyVm(host, name);
    return { name, what: 'destroyed', why };
  }
  const ran = !options.mock && (await powerOff(host, name));
  if (!(await still())) {
    if (ran) await startVm(host, name);
    return left;
  }
  await host.store.suspend(name);
  return { name, what: 'suspended', why };
}

/**
 * Off before it is called suspended: a guest that ignores ACPI loses its QEMU. One that is off already,
 * or whose files are gone, is suspended all the same. @returns whether it ran.
 */
async function powerOff(host: Host, name: VmName): Promise<boolean> {
  try {
    return (await stopVm(host, name, STOP_LIMIT_MS, 'suspend')).rung !== 'absent';
  } catch (error) {
    if (error instanceof NotFoundError) return false;
    throw error;
  }
}

function paid(record: VmRecord): GcOutcome {
  const why = `it is paid until ${record.expires_at}: run resume ${record.vm_name}`;
  return { name: record.vm_name, what: 'left', why };
}

function suspendedAt(record: VmRecord): string {
  return typeof record.suspended_at === 'string' ? record.suspended_at : '';
}
