import * as fs from 'node:fs';
import * as path from 'node:path';
import { parseCpuMax } from '../../cgroups/limits.ts';
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

  async read(vm, hint) {
    if (vm.runner !== 'systemd') return {};
    const found: VmLimits = {};
    const weight = Number(read(vm, 'cpu.weight').trim());
    const shares = hint.cpu_shares ?? DEFAULT_SHARES;
    const wanted = weight === cpuWeight(shares) ? shares : Math.round((weight * 1024) / 100);
    if (wanted !== DEFAULT_SHARES) found.cpu_shares = wanted;
    const cpus = parseCpuMax(read(vm, 'cpu.max'));
    if (cpus !== undefined) found.cpu_quota = Math.round((cpus * 100) / vm.config.vcpus);
    return await Promise.resolve(found);
  },
};

/** In cgroup v2 a process is in one cgroup: that of its scope. */
function read({ name, pid }: LimitedVm, file: string): string {
  const inside = /^0::(.*)$/m.exec(fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
  if (inside === undefined || path.basename(inside) !== scopeName(name))
    throw new ProvisionerError(`VM ${name}: QEMU is not in its scope, but in ${inside ?? 'none'}`);
  return fs.readFileSync(path.join('/sys/fs/cgroup', inside, file), 'utf8');
}
