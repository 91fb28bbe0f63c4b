import * as fs from 'node:fs';
import { ProvisionerError } from '../../errors.ts';
import { readProcessStat, TICKS_PER_SECOND } from '../../host/process.ts';
import { monotonicMs, sleep } from '../../host/time.ts';
import { bucketOf, bytesPerSecond, ifbName } from '../../net/shape/plan.ts';
import { LIMIT_KEYS, type LimitKey, type VmLimits } from '../../store/vm-limits.ts';
import { DEVICE, type VmName } from '../../types.ts';
import type { RootContext } from '../host.ts';
import type { LimitedVm } from './group.ts';
import { withRunningVm } from './limit-run.ts';

export interface Measured {
  key: LimitKey;
  limit: number;
  /** In the unit of the limit. */
  achieved: number;
  /** More than the limit and what a burst and the clock explain. */
  exceeded: boolean;
}

/** Two clocks that are not read at once, and what QEMU lets through after a pause: a tenth of a second's worth. */
const TOLERANCE = 1.1;

/**
 * What the VM uses of its limits, over some seconds of whatever it does. The monitor, which serves one at a time, is
 * others' meanwhile. @throws ProvisionerError when the VM is started anew meanwhile
 */
export async function measure(
  context: Pick<RootContext, 'paths' | 'signal'>,
  name: VmName,
  limits: VmLimits,
  seconds: number,
): Promise<Measured[]> {
  const first = await withRunningVm(context, name, 'probe', counters);
  await sleep(seconds * 1000, context.signal);
  const second = await withRunningVm(context, name, 'probe', counters);
  if (second.run !== first.run)
    throw new ProvisionerError(`VM ${name} was started anew while it was measured`, {
      hint: 'run it again',
    });
  const elapsed = (second.at - first.at) / 1000;
  const used = difference(first.used, second.used);
  return LIMIT_KEYS.flatMap((key) => {
    const [limit, amount] = [limits[key], used[key]];
    if (limit === undefined || amount === undefined) return [];
    const most = allowed(key, limit, limits, elapsed) + oneRequest(key, used) / elapsed;
    const achieved = amount / elapsed;
    return [{ key, limit, achieved, exceeded: achieved > most * TOLERANCE }];
  });
}

/**
 * How much one request of the guest is of what a limit counts. A disk's limit lets requests through whole, and holds up the
 * next for it: one more than the rate may end within any time.
 */
export function oneRequest(key: LimitKey, used: Used): number {
  const sizeOf = (bytes = 0, requests = 0): number => (requests === 0 ? 0 : bytes / requests);
  switch (key) {
    case 'iops_read':
    case 'iops_write':
      return 1;
    case 'bps_read':
      return sizeOf(used.bps_read, used.iops_read);
    case 'bps_write':
      return sizeOf(used.bps_write, used.iops_write);
    default:
      return 0;
  }
}

/** The most per second that a limit lets through over that time, by a burst that was saved up before. */
export function allowed(key: LimitKey, limit: number, limits: VmLimits, seconds: number): number {
  switch (key) {
    case 'iops_read':
    case 'iops_write': {
      const burst = limits.iops_burst ?? 0;
      if (burst <= limit) return limit;
      // QEMU's bucket holds the burst for as long as it may last, and is emptied no faster than the burst.
      return Math.min(burst, limit + (burst * (limits.iops_burst_seconds ?? 1)) / seconds);
    }
    case 'bandwidth_in':
    case 'bandwidth_out':
      return limit + bucketOf(limit, limits.bandwidth_burst).bytes / bytesPerSecond(1) / seconds;
    default:
      return limit;
  }
}

const SEED_QDEV = `/machine/peripheral/${DEVICE.seed}/virtio-backend`;

/** In the limit's unit times seconds. */
type Used = { [K in LimitKey]?: number };

interface Counters {
  at: number;
  /** The run that they are of. */
  run: string;
  used: Used;
}

function difference(first: Used, second: Used): Used {
  const used: Used = {};
  for (const key of LIMIT_KEYS) {
    const [from, to] = [first[key], second[key]];
    if (from !== undefined && to !== undefined) used[key] = to - from;
  }
  return used;
}

async function counters(vm: LimitedVm): Promise<Counters> {
  const disks = await vm.qmp().then((qmp) => qmp.execute('query-blockstats'));
  // All but the seed draw on one group.
  const limited = disks.filter(({ qdev }) => qdev !== undefined && qdev !== SEED_QDEV);
  const sum = (key: 'rd_operations' | 'wr_operations' | 'rd_bytes' | 'wr_bytes'): number =>
    limited.reduce((total, { stats }) => total + stats[key], 0);
  const used: Used = {
    iops_read: sum('rd_operations'),
    iops_write: sum('wr_operations'),
    bps_read: sum('rd_bytes'),
    bps_write: sum('wr_bytes'),
  };
  const process = readProcessStat(vm.pid);
  if (process !== undefined)
    used.cpu_quota = ((process.cpuTicks / TICKS_PER_SECOND) * 100) / vm.config.vcpus;
  if (vm.config.network.mode === 'bridge') {
    const { tap } = vm.config.network;
    used.bandwidth_in = kbit(tap, 'tx_bytes');
    // The tap counts what the guest sends before it waits for its turn, the other device after.
    used.bandwidth_out = kbit(ifbName(tap), 'tx_bytes');
  }
  return { at: monotonicMs(), run: `${vm.pid}/${process?.startTime}`, used };
}

function kbit(device: string, counter: string): number {
  try {
    return Number(fs.readFileSync(`/sys/class/net/${device}/statistics/${counter}`, 'utf8')) / 125;
  } catch {
    // Without a limit in that direction there is no such device.
    return 0;
  }
}
