/** Lets a bounded number of tasks run at once; the others are turned away and may come again. */
export class Gate {
  readonly #limit: number;
  #inside = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns false when there is no room now. `task` must not reject. */
  tryRun(task: () => Promise<void>): boolean {
    if (this.#inside >= this.#limit) return false;
    this.#inside += 1;
    void task().finally(() => {
      this.#inside -= 1;
    });
    return true;
  }
}
