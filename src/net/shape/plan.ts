/** kbit/s as the guest sees the direction; undefined is unlimited. */
export interface Shape {
  in?: number | undefined;
  out?: number | undefined;
  /** kbit that may go at full speed after a pause; the default is bucketOf's. */
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
  /** A place for filters that has none: the kernel has refused ours. */
  unused?: boolean;
}

export interface Bucket {
  bytesPerSecond: number;
  /** What it holds, as tc tells it (`holds`). */
  bytes: number;
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
 * A bucket that is there is changed, not made anew: what waits in its queue is kept, and no connection ends. Only
 * one that shrinks below what may be waiting in one piece is: such a piece would block the queue for good.
 */
export function shapePlan(tap: string, wanted: Shape, now: ShapeInForce): ShapePlan {
  const ifb = ifbName(tap);
  const plan: ShapePlan = { make: [], tc: [], remove: [] };
  if (wanted.in !== undefined) plan.tc.push(...bucket(tap, wanted.in, wanted.burst, now.in));
  else if (now.in !== undefined) plan.tc.push(`qdisc del dev ${tap} root`);
  if (wanted.out !== undefined) {
    if (!now.ifb) plan.make.push(`link add dev ${ifb} type ifb`);
    plan.make.push(`link set dev ${ifb} addrgenmode none`, `link set dev ${ifb} up`);
    // The bucket stands before the first frame is led to it.
    plan.tc.push(
      ...bucket(ifb, wanted.out, wanted.burst, now.out),
      `qdisc replace dev ${tap} clsact`,
      `filter replace dev ${tap} ingress protocol all prio 1 handle 800::1 u32 match u32 0 0 action mirred egress redirect dev ${ifb}`,
    );
  } else {
    if (now.redirected || now.unused === true) plan.tc.push(`qdisc del dev ${tap} clsact`);
    if (now.ifb) plan.remove.push(`link delete dev ${ifb}`);
  }
  return plan;
}

function bucket(device: string, kbit: number, burst?: number, now?: Bucket): string[] {
  const { bytes, queue } = bucketOf(kbit, burst);
  const set = `qdisc replace dev ${device} root handle 1: tbf rate ${kbit}kbit burst ${bytes} limit ${queue}`;
  // tc rounds the size of a bucket to its clock.
  const shrinks = now !== undefined && bytes < WHOLE_BYTES && now.bytes > bytes * 1.01;
  return shrinks ? [`qdisc del dev ${device} root`, set] : [set];
}

/** Two frames of an ordinary Ethernet: a bucket that holds less than one would let nothing through. */
const LEAST_BYTES = 3200;
/** The largest packet that is handed on in one piece, to be cut up later (GSO): 64 KiB, and the headers of all its parts. */
const WHOLE_BYTES = 128_000;
/** A queue shorter than what TCP sends in one go would lose it. */
const LEAST_QUEUE = 65_536;

/**
 * Size of the bucket and of the queue before it. 50 ms of tokens: a timer that comes late loses nothing. Slow links
 * get what a whole packet needs, but no more than 250 ms, so that no burst comes near to doubling the first second.
 * 200 ms of queue let TCP fill the link without waiting long, however much may go at full speed; a packet that fits
 * the bucket whole fits the queue.
 */
export function bucketOf(kbit: number, burst?: number): { bytes: number; queue: number } {
  const perSecond = kbit * 125;
  const usual = Math.max(perSecond / 20, Math.min(WHOLE_BYTES, perSecond / 4));
  const bytes = Math.max(LEAST_BYTES, Math.round(burst === undefined ? usual : burst * 125));
  const queue = Math.max(LEAST_QUEUE, Math.min(bytes, WHOLE_BYTES), Math.round(perSecond / 5));
  return { bytes, queue };
}

/** The kernel tells a bucket as a time in ticks of 64 ns, by 32 bits: one of more than 274 s begins again at nothing. */
const TOLD_SECONDS = 2 ** 32 * 64e-9;
/** tc computes in microseconds. */
const ROUNDED_SECONDS = 2e-6;

/** Whether a bucket, as tc tells of it, is one of so many bytes. */
export function holds(bucket: Bucket, bytes: number): boolean {
  const turn = TOLD_SECONDS * bucket.bytesPerSecond;
  const apart = Math.abs(bucket.bytes - (bytes % turn));
  return Math.min(apart, turn - apart) <= 2 + ROUNDED_SECONDS * bucket.bytesPerSecond;
}

/** tc counts in bytes per second. */
export function bytesPerSecond(kbit: number): number {
  return kbit * 125;
}
