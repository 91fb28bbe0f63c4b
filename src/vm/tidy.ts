import * as fs from 'node:fs';
import { BusyError, messageOf } from '../errors.ts';
import type { VmFiles } from '../host/paths.ts';
import { allConfigs } from '../store/all-configs.ts';
import type { VmName } from '../types.ts';
import { processesOf } from './end-qemu.ts';
import type { Host } from './host.ts';
import { withVmLock } from './lock.ts';

/**
 * Takes away what a run left on the host that nobody has tidied up after: its guest, or a kill, ended it.
 * @returns those where that failed.
 */
export async function tidyEnded(host: Host): Promise<{ name: VmName; why: string }[]> {
  const failed: { name: VmName; why: string }[] = [];
  for (const { name } of allConfigs(host.paths)) {
    const files = host.paths.vm(name);
    try {
      if (leftByRun(files)) await tidy(host, name, files);
    } catch (error) {
      host.signal.throwIfAborted();
      failed.push({ name, why: messageOf(error) });
    }
  }
  return failed;
}

function leftByRun(files: VmFiles): boolean {
  const { run, process, consoleFifo, qemuFifo } = files;
  const left = [run, process, consoleFifo, qemuFifo].some((file) => fs.existsSync(file));
  return left && processesOf(files).length === 0;
}

async function tidy(host: Host, name: VmName, files: VmFiles): Promise<void> {
  const work = async (): Promise<void> => {
    if (leftByRun(files)) await host.root.end({ name, by: 'gc', how: 'tidy', wait_ms: 0 });
  };
  try {
    await withVmLock(host, name, 'gc', work, 0);
  } catch (error) {
    // Whoever works on it will do so.
    if (!(error instanceof BusyError)) throw error;
  }
}
