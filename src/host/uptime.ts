import { KeptFile } from './kept-file.ts';

const file = new KeptFile('/proc/uptime');

/** Seconds since boot as the shell can read them too, sleep included; never set back (proc_uptime(5)). */
export function uptimeSeconds(): number {
  const seconds = Number.parseFloat(file.read() ?? '');
  if (Number.isNaN(seconds)) throw new Error('/proc/uptime cannot be read');
  return seconds;
}
