import { Cgroup } from '../../cgroups/group.ts';
import { readCpuLimits } from '../../cgroups/limits.ts';
import { ProvisionerError } from '../../errors.ts';
import type { VmLimits } from '../../store/vm-limits.ts';
import { cpuProperties, cpuWeight, setProperties } from '../../systemd/limit-properties.ts';
import { scopeName } from '../../systemd/scope.ts';
import type { LimitedVm, LimitGroup } from './group.ts';
import { DEFAULT_SHARES } from './merge.ts';

/** CPU time of vCPUs, devices and I/O threads together, by properties of the VM's scope. */
export const cpuLimits: LimitGroup = {
  name: 'CPU',
  keys: ['cpu_shares', 'cpu_quota'],

  unsupported: ({ runner }) =>
    runner === 'systemd'
      ? undefined
      : 'CPU limits are not supported here: they need VMs in systemd scopes (runner: systemd)',

  async apply({ name, config, runner }, { cpu_shares, cpu_quota }) {
    if (runner !== 'systemd') return;
    const properties = cpuProperties({ shares: cpu_shares, quota: cpu_quota }, config.vcpus);
    await setProperties(scopeName(name), properties);
  },

  read: (vm, hint) => Promise.resolve(readNow(vm, hint)),
};

function readNow({ runner, pid, name, config }: LimitedVm, hint: VmLimits): VmLimits {
  if (runner !== 'systemd') return {};
  const group = Cgroup.of(pid, scopeName(name));
  if (group === undefined) throw new ProvisionerError(`VM ${name}: QEMU is not in its scope`);
  const limits = readCpuLimits(group);
  // The manager takes the controller away from a slice in which nobody has a limit.
  if (limits === undefined) return {};
  const found: VmLimits = {};
  // Several numbers of shares are one weight.
  const shares = hint.cpu_shares ?? DEFAULT_SHARES;
  const told =
    limits.weight === cpuWeight(shares) ? shares : Math.round((limits.weight * 1024) / 100);
  if (told !== DEFAULT_SHARES) found.cpu_shares = told;
  if (limits.cpus !== undefined) found.cpu_quota = Math.round((limits.cpus * 100) / config.vcpus);
  return found;
}
