export interface BackoffOptions {
  firstMs: number;
  lastMs: number;
}

/** When to try again what failed: each time twice as late, up to a bound. */
export class Backoff {
  readonly #options: BackoffOptions;
  #pauseMs: number;
  #dueMs = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#pauseMs = options.firstMs;
  }

  isDue(nowMs: number): boolean {
    return nowMs >= this.#dueMs;
  }

  failed(nowMs: number): void {
    this.#dueMs = nowMs + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#options.lastMs);
  }

  /** As after many failures. */
  banFor(nowMs: number): void {
    this.#pauseMs = this.#options.lastMs;
    this.#dueMs = nowMs + this.#pauseMs;
  }

  succeeded(): void {
    this.#pauseMs = this.#options.firstMs;
    this.#dueMs = 0;
  }
}
