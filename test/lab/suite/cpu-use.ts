import assert from 'node:assert/strict';
import { sleep } from '../../../src/host/time.ts';
import { cgroupFile } from './scope.ts';

export interface CpuUse {
  /** CPUs, by the host's clock. */
  cpus: number;
  /** Share of the periods in which it was held back: it wanted more than its quota. 0 without a quota. */
  held: number;
}

/** What each VM uses, over that time. */
export async function cpuUse(vms: readonly string[], seconds: number): Promise<CpuUse[]> {
  const began = performance.now();
  const first = vms.map(counters);
  await sleep(seconds * 1000);
  const elapsed = (performance.now() - began) / 1000;
  return vms.map((vm, i) => {
    const [now, then] = [counters(vm), first[i] ?? NONE];
    const periods = now.periods - then.periods;
    return {
      cpus: (now.seconds - then.seconds) / elapsed,
      held: periods === 0 ? 0 : (now.throttled - then.throttled) / periods,
    };
  });
}

export interface BusyVm {
  vm: string;
  vcpus: number;
  /** Limits it to so many percent of its vCPUs. */
  limit(percent: number): Promise<void>;
  tell(text: string): void;
}

/** How far from a quota the use of a busy VM may be. */
const SHARE = 0.05;
/** Who is busy meets the end of its quota in nearly all periods; else the use says nothing of the quota. */
const HELD = 0.8;
const ATTEMPTS = 5;
/** Of what a busy VM gets without a quota, the share that it gets in each period. */
const STEADY = 0.6;
/** In percent; a machine that gives no more than that is no place to look at it. */
const LEAST = 4;

/**
 * Finds that a busy VM uses its quota over 20 s, no more and no less. More fails at once. Less is the machine's doing
 * only if it gives little without a quota, too, or has slept for a moment, which ends the time of a period for good:
 * it is measured again then, with a quota that the machine can give, and fails at last.
 */
export async function holdsQuota(busy: BusyVm, wanted: number): Promise<void> {
  const said: string[] = [];
  let percent = wanted;
  for (let attempt = 1; ; attempt++) {
    await busy.limit(percent);
    await sleep(1000);
    const { used, held } = await useOf(busy, 20);
    const share = used / percent;
    const periods = `held back in ${(held * 100).toFixed(0)} % of periods`;
    said.push(`quota ${percent} % of ${busy.vcpus} vCPUs: uses ${used.toFixed(2)} %, ${periods}`);
    busy.tell(said.at(-1) ?? '');
    if (Math.abs(share - 1) <= SHARE && held >= HELD) return;
    assert.ok(!(share > 1 + SHARE) && attempt < ATTEMPTS, said.join('\n'));
    await busy.limit(100);
    const free = (await useOf(busy, 5)).used;
    said.push(`without: ${free.toFixed(2)} %`);
    busy.tell(said.at(-1) ?? '');
    percent = Math.min(wanted, Math.floor(free * STEADY));
    assert.ok(percent >= LEAST, said.join('\n'));
  }
}

/** In percent of the VM's vCPUs. */
async function useOf(
  { vm, vcpus }: BusyVm,
  seconds: number,
): Promise<{ used: number; held: number }> {
  const [use = { cpus: Number.NaN, held: 0 }] = await cpuUse([vm], seconds);
  return { used: (use.cpus * 100) / vcpus, held: use.held };
}

interface Counters {
  seconds: number;
  periods: number;
  throttled: number;
}
const NONE: Counters = { seconds: Number.NaN, periods: Number.NaN, throttled: Number.NaN };

function counters(vm: string): Counters {
  const text = cgroupFile(vm, 'cpu.stat') ?? '';
  const value = (name: string): number =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return {
    seconds: value('usage_usec') / 1e6,
    periods: value('nr_periods'),
    throttled: value('nr_throttled'),
  };
}
