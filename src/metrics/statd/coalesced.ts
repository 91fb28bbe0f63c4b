/** Runs a task that is asked for again while it runs once more, and not once for each time. */
export class Coalesced {
  readonly #task: () => Promise<void>;
  #running = false;
  #again = false;

  constructor(task: () => Promise<void>) {
    this.#task = task;
  }

  /** Returns at once. */
  ask(): void {
    this.#again = true;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#again) {
        this.#again = false;
        await this.#task();
      }
    } finally {
      this.#running = false;
    }
  }
}
