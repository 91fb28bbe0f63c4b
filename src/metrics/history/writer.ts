import * as fs from 'node:fs';
import { bootId } from '../../host/process.ts';
import {
  COLUMNS,
  decodeHeader,
  encodeHeader,
  encodeSlot,
  HEADER_BYTES,
  type Header,
  type Layout,
  layoutOf,
  type Point,
  type Ring,
  SLOT_BYTES,
} from './format.ts';
import { newestSlot } from './reader.ts';

/** 10 minutes in full, a day by the minute. */
const FINE_SPAN_MS = 600_000;
const COARSE_MS = 60_000;
export const COARSE_SLOTS = 1440;

const slot = Buffer.alloc(SLOT_BYTES);

/** Adds to the recent past of one VM. Nothing of it is kept in memory but the minute under way. */
export class HistoryWriter {
  readonly #fd: number;
  readonly #layout: Layout;
  #fineNext = 0;
  #coarseNext = 0;
  #minute: Minute | undefined;

  /** Goes on where a sampler before this one stopped, if the file is of this VM, boot and interval. */
  constructor(file: string, uuid: string, intervalMs: number) {
    const fineSlots = Math.max(1, Math.ceil(FINE_SPAN_MS / intervalMs));
    const header: Header = {
      uuid,
      fineSlots,
      coarseSlots: COARSE_SLOTS,
      fineMs: intervalMs,
      coarseMs: COARSE_MS,
      bootId: bootId(),
    };
    this.#layout = layoutOf(fineSlots, COARSE_SLOTS);
    this.#fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644);
    if (this.#isOurs(header)) {
      const content = fs.readFileSync(file);
      this.#fineNext = newestSlot(content, this.#layout.fine) + 1;
      this.#coarseNext = newestSlot(content, this.#layout.coarse) + 1;
    } else {
      fs.ftruncateSync(this.#fd, 0);
      fs.ftruncateSync(this.#fd, this.#layout.bytes);
      fs.writeSync(this.#fd, encodeHeader(header), 0, HEADER_BYTES, 0);
    }
  }

  add(point: Point): void {
    this.#fineNext = this.#write(this.#layout.fine, this.#fineNext, point);
    const index = Math.floor((point.at * 100) / COARSE_MS);
    if (this.#minute !== undefined && this.#minute.index !== index) {
      this.#coarseNext = this.#write(this.#layout.coarse, this.#coarseNext, this.#minute.mean());
      this.#minute = undefined;
    }
    this.#minute ??= new Minute(index);
    this.#minute.add(point);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }

  #isOurs(wanted: Header): boolean {
    const head = Buffer.alloc(HEADER_BYTES);
    fs.readSync(this.#fd, head, 0, HEADER_BYTES, 0);
    return (
      head.equals(encodeHeader(wanted)) &&
      decodeHeader(head) !== undefined &&
      fs.fstatSync(this.#fd).size === this.#layout.bytes
    );
  }

  #write(ring: Ring, at: number, point: Point): number {
    encodeSlot(point, slot);
    const index = at % ring.slots;
    fs.writeSync(this.#fd, slot, 0, SLOT_BYTES, ring.offset + index * SLOT_BYTES);
    return index + 1;
  }
}

/** The minute under way: means of what was known in it. */
class Minute {
  readonly index: number;
  readonly #sums = new Float64Array(COLUMNS.length);
  readonly #counts = new Uint16Array(COLUMNS.length);

  constructor(index: number) {
    this.index = index;
  }

  add({ values }: Point): void {
    COLUMNS.forEach((column, i) => {
      const value = values[column];
      if (value === null) return;
      this.#sums[i] = (this.#sums[i] ?? 0) + value;
      this.#counts[i] = (this.#counts[i] ?? 0) + 1;
    });
  }

  /** Stamped with the end of the minute. */
  mean(): Point {
    const values = {} as Point['values'];
    COLUMNS.forEach((column, i) => {
      const count = this.#counts[i] ?? 0;
      values[column] = count === 0 ? null : (this.#sums[i] ?? 0) / count;
    });
    return { at: ((this.index + 1) * COARSE_MS) / 100, values };
  }
}
