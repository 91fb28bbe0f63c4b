import { ProvisionerError } from '../../errors.ts';
import {
  bucketOf,
  bytesPerSecond,
  holds,
  type Shape,
  type ShapeInForce,
} from '../../net/shape/plan.ts';
import { applyShape, readShape } from '../../net/shape/shape.ts';
import { tapExists } from '../../net/tap.ts';
import type { LimitKey, VmLimits } from '../../store/vm-limits.ts';
import type { LimitGroup } from './group.ts';
import { hasAny } from './merge.ts';

const KEYS: readonly LimitKey[] = ['bandwidth_in', 'bandwidth_out', 'bandwidth_burst'];

/** Bandwidth, by token buckets on the VM's own tap. */
export const networkLimits: LimitGroup = {
  name: 'network',
  keys: KEYS,

  unsupported: ({ config }) =>
    config.network.mode === 'bridge'
      ? undefined
      : 'bandwidth cannot be limited with user networking; create the VM with --bridge',

  async apply({ config: { network, limits: before = {} } }, limits) {
    if (network.mode !== 'bridge') return;
    const { tap } = network;
    // Where it is, it goes on being limited as it was.
    if (!tapExists(tap) && (hasAny(before, KEYS) || hasAny(limits, KEYS)))
      throw new ProvisionerError(`its network device ${tap} is not in this network namespace`);
    await applyShape(tap, shapeOf(limits));
  },

  async read({ config: { network } }, hint) {
    return network.mode === 'bridge' ? await bandwidthOf(network.tap, hint) : {};
  },
};

/** What the kernel has for a tap. @param hint what is wanted of it. */
export async function bandwidthOf(tap: string, hint: VmLimits): Promise<VmLimits> {
  const now = await readShape(tap);
  const found: VmLimits = {};
  if (now.in !== undefined) found.bandwidth_in = kbit(now.in.bytesPerSecond);
  if (now.out !== undefined) found.bandwidth_out = kbit(now.out.bytesPerSecond);
  const burst = burstInForce(now, hint.bandwidth_burst);
  if (burst !== undefined) found.bandwidth_burst = burst;
  return found;
}

export function shapeOf(limits: VmLimits): Shape {
  return {
    in: limits.bandwidth_in,
    out: limits.bandwidth_out,
    burst: limits.bandwidth_burst,
  };
}

/** What tc tells is rounded, and without a bucket there is nothing to tell: then it is the burst that was wanted. */
function burstInForce(now: ShapeInForce, wanted: number | undefined): number | undefined {
  const other = [now.in, now.out].find(
    (bucket) =>
      bucket !== undefined && !holds(bucket, bucketOf(kbit(bucket.bytesPerSecond), wanted).bytes),
  );
  return other === undefined ? wanted : Math.max(1, Math.round(other.bytes / bytesPerSecond(1)));
}

function kbit(rate: number): number {
  return Math.round(rate / bytesPerSecond(1));
}
