/** kbit/s as the guest sees the direction; undefined is unlimited. */
export interface Shape {
  in?: number | undefined;
  out?: number | undefined;
  /** kbit that may go at full speed after a pause; by default what 50 ms carry. */
  burst?: number | undefined;
}

/** What the kernel has for a tap. */
export interface ShapeInForce {
  in?: Bucket | undefined;
  out?: Bucket | undefined;
  /** The device through which the guest's frames go, whether or not they do. */
  ifb: boolean;
  /** Frames from the guest are led to that device. */
  redirected: boolean;
}

export interface Bucket {
  bytesPerSecond: number;
}

/** Input for ip(8) and tc(8), to be run in this order. */
export interface ShapePlan {
  make: string[];
  tc: string[];
  remove: string[];
}

/** The device that carries what the guest sends; at most 15 characters as the tap's name has. */
export function ifbName(tap: string): string {
  return tap.replace(/^tap/, 'ifb');
}

/**
 * From what is in force to what is wanted. To the guest, the tap's own queue is a token bucket. What the guest
 * sends comes in by the tap, and what comes in has no queue: it is led through a device that has one (ifb),
 * and goes on from there as if it had just come in.
 *
 * A bucket that is there is changed, not made anew: what waits in its queue is kept, and no connection ends.
 */
export function shapePlan(tap: string, wanted: Shape, now: ShapeInForce): ShapePlan {
  const ifb = ifbName(tap);
  const plan: ShapePlan = { make: [], tc: [], remove: [] };
  if (wanted.in !== undefined) plan.tc.push(bucket(tap, wanted.in, wanted.burst));
  else if (now.in !== undefined) plan.tc.push(`qdisc del dev ${tap} root`);
  if (wanted.out !== undefined) {
    if (!now.ifb) plan.make.push(`link add dev ${ifb} type ifb`);
    plan.make.push(`link set dev ${ifb} addrgenmode none`, `link set dev ${ifb} up`);
    // The bucket stands before the first frame is led to it.
    plan.tc.push(
      bucket(ifb, wanted.out, wanted.burst),
      `qdisc replace dev ${tap} clsact`,
      `filter replace dev ${tap} ingress protocol all prio 1 handle 800::1 u32 match u32 0 0 action mirred egress redirect dev ${ifb}`,
    );
  } else {
    if (now.redirected) plan.tc.push(`qdisc del dev ${tap} clsact`);
    if (now.ifb) plan.remove.push(`link delete dev ${ifb}`);
  }
  return plan;
}

function bucket(device: string, kbit: number, burst: number | undefined): string {
  const { bytes, queue } = bucketOf(kbit, burst);
  return `qdisc replace dev ${device} root handle 1: tbf rate ${kbit}kbit burst ${bytes} limit ${queue}`;
}

/** Two frames of an ordinary Ethernet: a bucket that holds less than one would let nothing through. */
const LEAST_BYTES = 3200;
/** A queue shorter than what TCP sends in one go would lose it. */
const LEAST_QUEUE = 65_536;

/**
 * Size of the bucket and of the queue before it. 50 ms of tokens are 5 % of a second: no burst doubles the first
 * second, and a timer that comes late loses nothing. 200 ms of queue let TCP fill the link without waiting long.
 */
export function bucketOf(kbit: number, burst?: number): { bytes: number; queue: number } {
  const perSecond = kbit * 125;
  const bytes = Math.max(
    LEAST_BYTES,
    Math.round(burst === undefined ? perSecond / 20 : burst * 125),
  );
  return { bytes, queue: Math.max(LEAST_QUEUE, bytes, Math.round(perSecond / 5)) };
}

/** tc counts in bytes per second. */
export function bytesPerSecond(kbit: number): number {
  return kbit * 125;
}
