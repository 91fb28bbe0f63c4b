import * as fs from 'node:fs';
import type { QmpClient } from '../qmp/client.ts';
import type { CallOptions } from '../qmp/transport/bounded.ts';
import { orNull } from './or-null.ts';

/** What QEMU tells beyond what every sample needs. Null where it does not. */
export interface QemuExtras {
  /** Counter, ns: the vCPUs were ready to run and waited for a CPU. */
  runDelayNs: number | null;
  /** Counter: how often they left guest mode, by KVM's own count; null under TCG. */
  kvmExits: number | null;
  /** Instant: what the balloon leaves the guest. */
  balloonBytes: number | null;
}

export const NO_QEMU_EXTRAS: Readonly<QemuExtras> = {
  runDelayNs: null,
  kvmExits: null,
  balloonBytes: null,
};

export interface ExtrasQuestions extends CallOptions {
  pid: number;
  /** Only KVM counts exits. */
  accel: 'kvm' | 'tcg';
}

/** @throws QmpError when QEMU does not answer in time. */
export async function readQemuExtras(
  qmp: QmpClient,
  { pid, accel, ...options }: ExtrasQuestions,
): Promise<QemuExtras> {
  const [threads, balloon, exits] = await Promise.all([
    orNull(qmp.execute('query-cpus-fast', undefined, options)),
    orNull(qmp.execute('query-balloon', undefined, options)),
    accel === 'kvm' ? orNull(kvmExits(qmp, options)) : null,
  ]);
  return {
    runDelayNs: runDelay(pid, threads?.map((cpu) => cpu['thread-id']) ?? []),
    kvmExits: exits,
    balloonBytes: balloon?.actual ?? null,
  };
}

async function kvmExits(qmp: QmpClient, options: CallOptions): Promise<number | null> {
  const providers = [{ provider: 'kvm', names: ['exits'] }];
  const results = await qmp.execute('query-stats', { target: 'vcpu', providers }, options);
  const counts = results.map(({ stats }) => stats.find(({ name }) => name === 'exits')?.value);
  const numbers = counts.filter((count) => typeof count === 'number');
  return numbers.length === 0 ? null : numbers.reduce((sum, count) => sum + count, 0);
}

/** A machine has at most so many vCPUs here; what claims more is no QEMU of ours. */
const MAX_THREADS = 255;

/**
 * Second field of /proc/PID/task/TID/schedstat (sched-stats.rst of the kernel), summed. The thread ids are
 * QEMU's word: looked up below its own process, none can be a thread of somebody else.
 */
function runDelay(pid: number, threads: readonly number[]): number | null {
  let sum: number | null = null;
  for (const thread of threads.slice(0, MAX_THREADS).filter(Number.isSafeInteger)) {
    try {
      const text = fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1');
      sum = (sum ?? 0) + Number(text.split(' ')[1]);
    } catch {
      // A thread that ended, or a kernel without schedstats.
    }
  }
  return sum === null || Number.isNaN(sum) ? null : sum;
}
