import { bytesPerSecond, type Shape } from '../../net/shape/plan.ts';
import { applyShape, readShape } from '../../net/shape/shape.ts';
import type { VmLimits } from '../../store/vm-limits.ts';
import type { LimitGroup } from './group.ts';

/** Bandwidth, by token buckets on the VM's own tap. */
export const networkLimits: LimitGroup = {
  name: 'network',
  keys: ['bandwidth_in', 'bandwidth_out', 'bandwidth_burst'],

  unsupported: ({ config }) =>
    config.network.mode === 'bridge'
      ? undefined
      : 'bandwidth cannot be limited with user networking; create the VM with --bridge',

  async apply({ config: { network } }, limits) {
    if (network.mode !== 'bridge') return;
    await applyShape(network.tap, shapeOf(limits));
  },

  async read({ config: { network } }, hint) {
    if (network.mode !== 'bridge') return {};
    const now = await readShape(network.tap);
    const found: VmLimits = {};
    if (now.in !== undefined) found.bandwidth_in = kbit(now.in.bytesPerSecond);
    if (now.out !== undefined) found.bandwidth_out = kbit(now.out.bytesPerSecond);
    // tc tells the size of a bucket only in its own rounding.
    if (hint.bandwidth_burst !== undefined) found.bandwidth_burst = hint.bandwidth_burst;
    return found;
  },
};

export function shapeOf(limits: VmLimits): Shape {
  return {
    in: limits.bandwidth_in,
    out: limits.bandwidth_out,
    burst: limits.bandwidth_burst,
  };
}

function kbit(rate: number): number {
  return Math.round(rate / bytesPerSecond(1));
}
