import { ProvisionerError } from '../errors.ts';
import {
  type Forward,
  type RestartPolicy,
  readVmConfig,
  type VmConfig,
  writeVmConfig,
} from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import { assertOff } from './assert-off.ts';
import { checkSizes } from './create-spec.ts';
import { assertDistinct } from './extras.ts';
import type { Host } from './host.ts';
import { withLimits } from './limits/limit-run.ts';
import { withVmLock } from './lock.ts';
import { assertOwnHost } from './own-host.ts';
import { recover } from './recover.ts';

/** What a VM can be changed to, all but `restart` only while it is off; undefined stays as it is. */
export interface Changes {
  vcpus?: number | undefined;
  memoryMb?: number | undefined;
  /** All of them, instead of those it had. */
  forwards?: Forward[] | undefined;
  restart?: RestartPolicy | undefined;
  /** Takes every limit away: a VM whose limits the host has come not to enforce does not start with them. */
  noLimits?: true | undefined;
}

/** Changes what the next start makes of a VM. @returns the keys of vm.json that are different now. */
export function configureVm(host: Host, name: VmName, changes: Changes): Promise<string[]> {
  assertOwnHost(host, 'configure');
  return withVmLock(host, name, 'configure', async () => {
    await recover(host, name);
    const files = host.paths.vm(name);
    const before = readVmConfig(name, files);
    const { restart, noLimits, ...ofMachine } = changes;
    if (noLimits || Object.values(ofMachine).some((value) => value !== undefined))
      assertOff(name, files, 'only one that is off can be changed');
    const after: VmConfig = {
      ...(noLimits && before.limits !== undefined ? withLimits(before, {}) : before),
      ...(await checked(before, ofMachine)),
      ...(restart === undefined ? {} : { restart }),
    };
    const keys = Object.keys({ ...before, ...after }) as (keyof VmConfig)[];
    const different = keys.filter((k) => JSON.stringify(after[k]) !== JSON.stringify(before[k]));
    if (different.length > 0) writeVmConfig(files, after);
    return different.filter((key) => key !== 'limits_since');
  });
}

async function checked(before: VmConfig, changes: Changes): Promise<Partial<VmConfig>> {
  const { vcpus = before.vcpus, memoryMb = before.memory_mb, forwards } = changes;
  await checkSizes(vcpus, memoryMb);
  if (forwards === undefined) return { vcpus, memory_mb: memoryMb };
  assertDistinct(forwards);
  if (forwards.length > 0 && before.network.mode !== 'user') {
    throw new ProvisionerError(`VM ${before.name} is on a bridge: ports cannot be forwarded to it`);
  }
  const same = forwards.length === 0 && before.forwards === undefined;
  return { vcpus, memory_mb: memoryMb, ...(same ? {} : { forwards }) };
}
