import * as fs from 'node:fs';
import type { Paths } from '../../host/paths.ts';
import { isVmName } from '../../types.ts';

/** Marks that are left when the verb has ended are looked at again after so long. */
const AGAIN_MS = 5000;

/**
 * Runs `restart-crashed` where this user owns the VMs, and no unit does so. One at a time: while it runs it looks for
 * marks itself.
 */
export class Restarter {
  readonly #paths: Paths;
  readonly #program: string;
  #running = false;

  /** Undefined where the VMs are somebody else's: then a unit of theirs looks for marks. */
  static of(paths: Paths, program: string): Restarter | undefined {
    const owner = fs.statSync(paths.state, { throwIfNoEntry: false })?.uid;
    return owner === process.getuid?.() ? new Restarter(paths, program) : undefined;
  }

  private constructor(paths: Paths, program: string) {
    this.#paths = paths;
    this.#program = program;
  }

  poke(): void {
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    const { letRun } = await import('../../host/exec.ts');
    // It goes on when this process ends: an attempt that has begun is brought to its end.
    await letRun(process.execPath, [this.#program, 'restart-crashed']);
    this.#running = false;
    if (this.#isLeft()) setTimeout(() => this.poke(), AGAIN_MS).unref();
  }

  #isLeft(): boolean {
    try {
      return fs.readdirSync(this.#paths.crashMarks).some(isVmName);
    } catch {
      return false;
    }
  }
}
