import * as fs from 'node:fs';
import * as path from 'node:path';
import { BusyError } from '../../../src/errors.ts';
import { type Lock, lockFile } from '../../../src/host/lock.ts';
import { labCache } from './image.ts';

export interface Cpu {
  number: number;
  release(): void;
}

/**
 * One of the CPUs this process may use, if there is one that no other lab host is pinned to. User-mode Linux
 * has one CPU, and moving its processes between two makes it several times slower.
 */
export async function takeCpu(): Promise<Cpu> {
  const allowed = allowedCpus();
  for (const number of allowed) {
    const lock = await tryLock(path.join(labCache(), `cpu-${number}.lock`));
    if (lock !== undefined) return { number, release: () => lock.release() };
  }
  return { number: allowed[process.pid % allowed.length] ?? 0, release: () => undefined };
}

async function tryLock(file: string): Promise<Lock | undefined> {
  try {
    return await lockFile(file, { what: 'the CPU', holder: 'a lab host', waitMs: 0 });
  } catch (error) {
    if (error instanceof BusyError) return undefined;
    throw error;
  }
}

/** As the kernel lists them: 0-3,8. */
function allowedCpus(): number[] {
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
