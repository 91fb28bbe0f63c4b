import { monotonicMs } from '../../host/time.ts';
import type { QmpClient } from '../../qmp/client.ts';
import type { CallOptions } from '../../qmp/transport/bounded.ts';
import { type MemoryReading, readMemory } from '../qemu-readings.ts';

/** The guest reports its memory every 2 s (vm/start-steps.ts). */
const EVERY_MS = 3500;

/** Reads what the guest reported of its memory, now and then, and remembers it. */
export class MemoryPoll {
  #last: MemoryReading | null = null;
  #readMs = Number.NEGATIVE_INFINITY;

  get usedBytes(): number | null {
    return this.#last?.usedBytes ?? null;
  }

  /** @returns whether there is a new report. @throws QmpError when QEMU does not answer in time. */
  async poll(qmp: QmpClient, options: CallOptions): Promise<boolean> {
    if (monotonicMs() - this.#readMs < EVERY_MS) return false;
    const reading = await readMemory(qmp, options);
    if (reading === null) return false;
    const isNew = reading.report !== this.#last?.report;
    this.#last = reading;
    this.#readMs = monotonicMs();
    return isNew;
  }
}
