import { InputError, messageOf } from '../../errors.ts';
import { QmpTimeoutError } from '../../qmp/errors.ts';
import { withQmpAtNeed } from '../../qmp/with-qmp.ts';
import { runningIncarnation } from '../../store/incarnation.ts';
import { readVmConfig, type VmConfig, writeVmConfig } from '../../store/vm-config.ts';
import { LIMIT_KEYS, type LimitTimes, type VmLimits } from '../../store/vm-limits.ts';
import type { VmName } from '../../types.ts';
import { deadlineOf } from '../haste.ts';
import type { RootContext } from '../host.ts';
import type { Limited, LimitVm } from '../root-side.ts';
import { applyLimits, LIMIT_GROUPS } from './apply.ts';
import type { LimitedVm } from './group.ts';
import { hasAny, pickLimits } from './merge.ts';

/**
 * Puts limits in force, all of them and not just what changed: so a repetition mends what somebody else has
 * undone. The record gets what is in force, for the next start.
 */
export async function limitRun(context: RootContext, { name, limits }: LimitVm): Promise<Limited> {
  const failures = await withRunningVm(context, name, 'qmp', (vm) => applyLimits(vm, limits));
  // Interrupted, it is not what was asked for: the record stays.
  if (failures.length > 0) context.signal.throwIfAborted();
  const files = context.paths.vm(name);
  const config = readVmConfig(name, files);
  const failed = failures.map(({ group, cause }) => ({
    group,
    error: messageOf(cause),
    unanswered: cause instanceof QmpTimeoutError,
  }));
  const truth = recorded(config.limits ?? {}, limits, failed);
  if (JSON.stringify(truth) !== JSON.stringify(config.limits ?? {}))
    writeVmConfig(files, withLimits(config, truth));
  const again = context.inHaste === true && failed.some(({ unanswered }) => unanswered);
  return { limits: truth, failed, again };
}

/** @param monitor `probe` for who only looks. @throws InputError unless the VM runs. */
export async function withRunningVm<T>(
  { paths, signal, inHaste }: Pick<RootContext, 'paths' | 'signal' | 'inHaste'>,
  name: VmName,
  monitor: 'qmp' | 'probe',
  work: (vm: LimitedVm) => Promise<T>,
): Promise<T> {
  const files = paths.vm(name);
  const config = readVmConfig(name, files);
  const run = runningIncarnation(files);
  if (run === undefined) {
    throw new InputError(`VM ${name} is not running`, { hint: `run start ${name} first` });
  }
  const { runner, pid } = run;
  const deadlineMs = deadlineOf({ inHaste }, config.limits);
  const options = { deadlineMs, patienceMs: deadlineMs, signal };
  return await withQmpAtNeed(
    files[monitor],
    (qmp) => work({ name, files, config, runner, pid, qmp }),
    options,
  );
}

/** What failed stands in the record as it did before. */
function recorded(before: VmLimits, wanted: VmLimits, failed: Limited['failed']): VmLimits {
  const parts = LIMIT_GROUPS.map(({ name, keys }) =>
    pickLimits(failed.some(({ group }) => group === name) ? before : wanted, keys),
  );
  return Object.assign({}, ...parts) as VmLimits;
}

/** The record with these limits instead of those it had. */
export function withLimits(config: VmConfig, limits: VmLimits): VmConfig {
  const { limits: before = {}, limits_since: times = {}, ...rest } = config;
  if (!hasAny(limits)) return rest;
  const now = new Date().toISOString();
  const limits_since: LimitTimes = {};
  for (const key of LIMIT_KEYS.filter((one) => limits[one] !== undefined))
    limits_since[key] = limits[key] === before[key] ? (times[key] ?? now) : now;
  return { ...rest, limits, limits_since };
}
