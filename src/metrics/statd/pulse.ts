import { type CpuTimes, isStarved } from '../starvation.ts';

/** How often a QEMU's pulse is looked at. */
export const TICK_MS = 50;
/**
 * Ticks since a QEMU was last heard. Not milliseconds: a sampler that gets no CPU itself has fewer of them, and has
 * read what had arrived between any two. A sample every 2 s is an answer too, so that two more are asked for.
 */
const TICKS = { ask: 14, compare: 15, judge: 18 };

/** Whether a QEMU that is connected still answers, within 0.9 s of its last answer. */
export class Pulse {
  readonly #times: () => CpuTimes;
  #quiet = 0;
  #judgeAt = TICKS.judge;
  #before: CpuTimes | undefined;
  #hung = false;

  /** @param times read of a QEMU that owes an answer only. */
  constructor(times: () => CpuTimes) {
    this.#times = times;
  }

  /** It owes an answer, though it had the CPU to give one. */
  get isHung(): boolean {
    return this.#hung;
  }

  /** It has answered something, or there is another one. */
  heard(): void {
    this.#quiet = 0;
    this.#judgeAt = TICKS.judge;
    this.#before = undefined;
    this.#hung = false;
  }

  /** @returns what to do: `ask` it something, or take it to be `hung`, each once. */
  tick(): 'ask' | 'hung' | undefined {
    if (this.#hung) return undefined;
    this.#quiet += 1;
    if (this.#quiet === TICKS.ask) return 'ask';
    if (this.#quiet === TICKS.compare) this.#before = this.#times();
    if (this.#quiet < this.#judgeAt || this.#before === undefined) return undefined;
    const now = this.#times();
    this.#hung = !isStarved(this.#before, now);
    if (this.#hung) return 'hung';
    this.#before = now;
    // Each time twice as late: on a host without CPU to give, many are looked at.
    this.#judgeAt += this.#quiet - TICKS.ask;
    return undefined;
  }
}
