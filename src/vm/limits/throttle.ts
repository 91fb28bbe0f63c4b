import { InputError, ProvisionerError } from '../../errors.ts';
import { runningIncarnation } from '../../store/incarnation.ts';
import { readVmConfig } from '../../store/vm-config.ts';
import {
  LIMIT_KEYS,
  type LimitKey,
  type LimitTimes,
  type VmLimits,
} from '../../store/vm-limits.ts';
import type { VmName } from '../../types.ts';
import type { Host } from '../host.ts';
import { withVmLock } from '../lock.ts';
import { mended, type Stand } from '../mend.ts';
import { recover } from '../recover.ts';
import type { Limited } from '../root-side.ts';
import { readLimits, unsupportedOf } from './apply.ts';
import { withRunningVm } from './limit-run.ts';
import { type LimitChange, mergeLimits } from './merge.ts';

export interface Throttled {
  before: VmLimits;
  after: VmLimits;
  failed: Limited['failed'];
}

/** Changes limits of a running VM at once; what is not named stays. */
export function throttleVm(host: Host, name: VmName, change: LimitChange): Promise<Throttled> {
  return withVmLock(host, name, 'throttle', async () => {
    await recover(host, name);
    const files = host.paths.vm(name);
    const config = readVmConfig(name, files);
    const run = runningIncarnation(files);
    if (run === undefined)
      throw new InputError(`VM ${name} is not running`, { hint: `run start ${name} first` });
    const asked = LIMIT_KEYS.filter((key) => (change.set[key] ?? 0) !== 0);
    const refusal = unsupportedOf({ config, runner: run.runner }, asked);
    if (refusal !== undefined) throw new ProvisionerError(`VM ${name}: ${refusal}`);
    const before = config.limits ?? {};
    const limits = mergeLimits(before, change);
    // Whoever failed may have done it all the same, and not have said so: then it is undone.
    const { limits: after, failed } = await mended(
      host,
      name,
      { verb: 'throttle' },
      () => host.root.limit({ name, limits }),
      standOf,
    );
    return { before, after, failed };
  });
}

/** Of a QEMU that does not answer nothing can be taken back either: that is left to the next command. */
function standOf({ failed }: Limited): Stand {
  if (failed.length === 0) return 'whole';
  return failed.every(({ unanswered }) => unanswered) ? 'left' : 'torn';
}

export interface ShownLimits {
  requested: VmLimits;
  /** Null when the VM is off. */
  inForce: VmLimits | null;
  /** Of those requested: since when it has its value, or its run, if that began later. */
  since: LimitTimes;
}

/** What was asked for, and what those say who enforce it. */
export async function showLimits(host: Host, name: VmName): Promise<ShownLimits> {
  const files = host.paths.vm(name);
  const { limits: requested = {}, limits_since: since = {} } = readVmConfig(name, files);
  const run = runningIncarnation(files);
  if (run === undefined) return { requested, inForce: null, since };
  const inForce = await withRunningVm(host, name, 'probe', (vm) => readLimits(vm, requested));
  return { requested, inForce, since: inThisRun(since, run.started_at) };
}

function inThisRun(times: LimitTimes, began: string): LimitTimes {
  const since: LimitTimes = {};
  for (const key of LIMIT_KEYS) {
    const time = times[key];
    if (time !== undefined) since[key] = time > began ? time : began;
  }
  return since;
}

/** Limits that are in force otherwise than they were asked for. */
export function disagreeing({ requested, inForce }: ShownLimits): LimitKey[] {
  return inForce === null ? [] : LIMIT_KEYS.filter((key) => requested[key] !== inForce[key]);
}
