import * as z from 'zod/mini';
import { backingDevice } from '../../cgroups/backing-device.ts';
import { ProvisionerError } from '../../errors.ts';
import type { VmLimits } from '../../store/vm-limits.ts';
import { ioProperties, setProperties } from '../../systemd/limit-properties.ts';
import { scopeName } from '../../systemd/scope.ts';
import { THROTTLE_GROUP } from '../../types.ts';
import type { LimitGroup } from './group.ts';

const PATH = `/objects/${THROTTLE_GROUP}`;

/** ThrottleLimits of QEMU's qapi/block-core.json; per second, 0 is no limit. */
const QemuLimits = z.object({
  'iops-read': z.number(),
  'iops-write': z.number(),
  'iops-read-max': z.number(),
  'iops-write-max': z.number(),
  'iops-read-max-length': z.number(),
  'iops-write-max-length': z.number(),
  'bps-read': z.number(),
  'bps-write': z.number(),
});
export type QemuLimits = z.infer<typeof QemuLimits>;

/** All of them always: what is not named, QEMU leaves as it is. */
export function qemuLimits(limits: VmLimits): QemuLimits {
  const length = limits.iops_burst_seconds ?? 1;
  const burst = (rate: number | undefined): { max: number; length: number } => {
    const max = limits.iops_burst ?? 0;
    // A burst below the rate itself is none, and QEMU refuses it.
    return rate === undefined || max <= rate ? { max: 0, length: 1 } : { max, length };
  };
  const [read, write] = [burst(limits.iops_read), burst(limits.iops_write)];
  return {
    'iops-read': limits.iops_read ?? 0,
    'iops-write': limits.iops_write ?? 0,
    'iops-read-max': read.max,
    'iops-write-max': write.max,
    'iops-read-max-length': read.length,
    'iops-write-max-length': write.length,
    'bps-read': limits.bps_read ?? 0,
    'bps-write': limits.bps_write ?? 0,
  };
}

/** Operations and bytes, by QEMU's throttle group in front of the VM's disk. */
export const diskLimits: LimitGroup = {
  name: 'disk',
  keys: ['iops_read', 'iops_write', 'iops_burst', 'iops_burst_seconds', 'bps_read', 'bps_write'],

  unsupported: () => undefined,

  async apply({ qmp, files, name, runner }, limits) {
    const value = qemuLimits(limits);
    const monitor = await qmp();
    await monitor.execute('qom-set', { path: PATH, property: 'limits', value });
    if (runner === 'systemd')
      await setProperties(scopeName(name), ioProperties(limits, backingDevice(files.disk)));
  },

  async read({ qmp, name }, hint) {
    const monitor = await qmp();
    const raw = await monitor.execute('qom-get', { path: PATH, property: 'limits' });
    const parsed = z.safeParse(QemuLimits, raw);
    if (!parsed.success) throw new ProvisionerError(`VM ${name}: QEMU tells no disk limits`);
    const found = limitsOf(parsed.data);
    // What QEMU keeps of a burst does not tell one that no rate makes use of from none.
    const same = JSON.stringify(qemuLimits(hint)) === JSON.stringify(parsed.data);
    return same ? keep(found, hint) : found;
  },
};

function limitsOf(qemu: QemuLimits): VmLimits {
  const found: VmLimits = {};
  if (qemu['iops-read'] > 0) found.iops_read = qemu['iops-read'];
  if (qemu['iops-write'] > 0) found.iops_write = qemu['iops-write'];
  if (qemu['bps-read'] > 0) found.bps_read = qemu['bps-read'];
  if (qemu['bps-write'] > 0) found.bps_write = qemu['bps-write'];
  const burst = Math.max(qemu['iops-read-max'], qemu['iops-write-max']);
  const seconds = Math.max(qemu['iops-read-max-length'], qemu['iops-write-max-length']);
  if (burst > 0) found.iops_burst = burst;
  if (seconds > 1) found.iops_burst_seconds = seconds;
  return found;
}

function keep(found: VmLimits, { iops_burst, iops_burst_seconds }: VmLimits): VmLimits {
  return {
    ...found,
    ...(iops_burst === undefined ? {} : { iops_burst }),
    ...(iops_burst_seconds === undefined ? {} : { iops_burst_seconds }),
  };
}
