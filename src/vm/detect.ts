import { messageOf } from '../errors.ts';
import { run } from '../host/exec.ts';
import type { Host } from './host.ts';

/** Whether the programs every VM needs are installed; what is missing is told to the verbose report. */
export async function canRunVms(host: Host): Promise<boolean> {
  const needed: [string, string][] = [
    [host.settings.qemu_binary, '--version'],
    ['qemu-img', '--version'],
  ];
  let able = true;
  for (const [command, ...args] of needed) {
    try {
      await run(command, args, { timeoutMs: 5000, signal: host.signal });
    } catch (error) {
      host.verbose(messageOf(error));
      able = false;
    }
  }
  return able;
}
