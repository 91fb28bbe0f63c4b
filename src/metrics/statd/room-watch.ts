import { hasRoomAgain } from '../../host/free-space.ts';
import { monotonicMs } from '../../host/time.ts';
import type { QmpClient } from '../../qmp/client.ts';
import type { CallOptions } from '../../qmp/transport/bounded.ts';
import { isWaitingForRoom } from '../qemu-readings.ts';

/** A guest that fills what was freed within moments is let go on no more often. */
const EVERY_MS = 10_000;

/** Sees that a guest which was paused because the disk was full has room again. */
export class RoomWatch {
  readonly #directory: string;
  readonly #onRoom: () => void;
  #nextMs = 0;

  constructor(directory: string, onRoom: () => void) {
    this.#directory = directory;
    this.#onRoom = onRoom;
  }

  /** To be called while the guest is paused, for whatever reason. */
  async look(qmp: QmpClient, options: CallOptions): Promise<void> {
    if (monotonicMs() < this.#nextMs) return;
    if (!this.#hasRoom() || !(await isWaitingForRoom(qmp, options))) return;
    this.#nextMs = monotonicMs() + EVERY_MS;
    this.#onRoom();
  }

  /** What cannot be told must not cost the VM its sample. */
  #hasRoom(): boolean {
    try {
      return hasRoomAgain(this.#directory);
    } catch {
      return false;
    }
  }
}
