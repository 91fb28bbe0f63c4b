/** VMs that are sampled together: what wakes this process and warms the caches is paid once for all of them. */
const TOGETHER = 16;
/** No more moments than this: beyond it the groups grow. */
const MOMENTS = 8;

/** Gives each VM its moment within the interval, so that some are sampled together and never all at once. */
export function places(intervalMs: number): () => number {
  let given = 0;
  return () => {
    const moment = Math.floor(given++ / TOGETHER) % MOMENTS;
    return (moment / MOMENTS) * intervalMs;
  };
}
