/** Numbers that follow from a seed (the generator mulberry32), which FUZZ_SEED gives again. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  /** For a test's diagnostics. */
  get told(): string {
    return `FUZZ_SEED=${this.seed}`;
  }

  /** At least 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
}
