import { KeptFile } from './kept-file.ts';
import { monotonicMs } from './time.ts';

const file = new KeptFile('/proc/uptime');

/** How long a reading serves: what is done about one VM takes less. */
const HOLDS_MS = 2;
let [last, lastMs] = [0, Number.NEGATIVE_INFINITY];

/** Seconds since boot as the shell can read them too, sleep included; never set back (proc_uptime(5)). */
export function uptimeSeconds(): number {
  const now = monotonicMs();
  if (now - lastMs < HOLDS_MS) return last;
  const seconds = Number.parseFloat(file.read() ?? '');
  if (Number.isNaN(seconds)) throw new Error('/proc/uptime cannot be read');
  [last, lastMs] = [seconds, now];
  return seconds;
}
