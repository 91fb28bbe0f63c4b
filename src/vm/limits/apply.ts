import { ProvisionerError } from '../../errors.ts';
import { LIMIT_KEYS, type LimitKey, type VmLimits } from '../../store/vm-limits.ts';
import { cpuLimits } from './cpu.ts';
import { diskLimits } from './disk.ts';
import type { LimitedVm, LimitGroup } from './group.ts';
import { hasAny, pickLimits } from './merge.ts';
import { networkLimits } from './network.ts';
import { limitLine } from './words.ts';

export const LIMIT_GROUPS: readonly LimitGroup[] = [cpuLimits, diskLimits, networkLimits];

export interface Failure {
  group: LimitGroup['name'];
  cause: unknown;
}

/** Makes every group's limits hold and looks whether they do. One that fails does not keep the others from it. */
export async function applyLimits(vm: LimitedVm, limits: VmLimits): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (const group of inOrder(vm.config.limits ?? {}, limits)) {
    const refusal = group.unsupported(vm);
    try {
      if (refusal === undefined) await applyGroup(group, vm, limits);
      else if (hasAny(limits, group.keys)) throw new ProvisionerError(refusal);
    } catch (cause) {
      failures.push({ group: group.name, cause });
    }
  }
  return failures;
}

/** QEMU, which has to answer for its disk, is asked while it has the more CPU time: before that gets less, after it gets more. */
function inOrder(before: VmLimits, { cpu_quota = 100 }: VmLimits): readonly LimitGroup[] {
  const others = LIMIT_GROUPS.filter((group) => group !== cpuLimits);
  return cpu_quota < (before.cpu_quota ?? 100) ? [...others, cpuLimits] : [cpuLimits, ...others];
}

async function applyGroup(group: LimitGroup, vm: LimitedVm, limits: VmLimits): Promise<void> {
  await group.apply(vm, limits);
  const wrong = differing(group, limits, await group.read(vm, limits));
  if (wrong !== undefined) throw new ProvisionerError(`read back, ${wrong}`);
}

/** The first limit that is not in force as wanted, as it is. */
function differing(group: LimitGroup, wanted: VmLimits, found: VmLimits): string | undefined {
  const key = group.keys.find((one) => wanted[one] !== found[one]);
  return key === undefined ? undefined : limitLine(key, found[key]);
}

/** Everything that is in force for a VM, from whoever enforces it. */
export async function readLimits(vm: LimitedVm, hint: VmLimits): Promise<VmLimits> {
  const found = await Promise.all(LIMIT_GROUPS.map((group) => group.read(vm, hint)));
  return pickLimits(Object.assign({}, ...found) as VmLimits, LIMIT_KEYS);
}

/** Why this VM cannot have a limit, in words; undefined when it can have all of these. */
export function unsupportedOf(
  vm: Pick<LimitedVm, 'config' | 'runner'>,
  keys: readonly LimitKey[],
): string | undefined {
  return LIMIT_GROUPS.filter((group) => group.keys.some((key) => keys.includes(key)))
    .map((group) => group.unsupported(vm))
    .find((refusal) => refusal !== undefined);
}
