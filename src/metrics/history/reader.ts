import * as fs from 'node:fs';
import { errnoOf } from '../../errors.ts';
import { bootId } from '../../host/process.ts';
import { decodeHeader, decodeSlot, layoutOf, type Point, type Ring, SLOT_BYTES } from './format.ts';

export interface History {
  uuid: string;
  /** Points in the order of time; every `everyMs` one, gaps where nobody sampled. */
  fine: { everyMs: number; points: Point[] };
  coarse: { everyMs: number; points: Point[] };
}

/** No ring of ours is longer, whatever a header says. */
const MAX_SLOTS = 100_000;

/** Undefined when there is no history of this boot. */
export function readHistory(file: string): History | undefined {
  let content: Buffer;
  try {
    content = fs.readFileSync(file);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  const header = decodeHeader(content);
  if (header === undefined || header.bootId !== bootId()) return undefined;
  if (header.fineSlots > MAX_SLOTS || header.coarseSlots > MAX_SLOTS) return undefined;
  const layout = layoutOf(header.fineSlots, header.coarseSlots);
  if (content.length < layout.bytes) return undefined;
  return {
    uuid: header.uuid,
    fine: { everyMs: header.fineMs, points: pointsOf(content, layout.fine) },
    coarse: { everyMs: header.coarseMs, points: pointsOf(content, layout.coarse) },
  };
}

/** Where the ring was written last; -1 when it is empty. */
export function newestSlot(content: Buffer, ring: Ring): number {
  let [newest, latest] = [-1, 0];
  for (let i = 0; i < ring.slots; i++) {
    const at = content.readUInt32LE(ring.offset + i * SLOT_BYTES);
    if (at > latest) [newest, latest] = [i, at];
  }
  return newest;
}

function pointsOf(content: Buffer, ring: Ring): Point[] {
  const points: Point[] = [];
  for (let i = 0; i < ring.slots; i++) {
    const point = decodeSlot(slotAt(content, ring, i));
    if (point !== undefined) points.push(point);
  }
  return points.sort((a, b) => a.at - b.at);
}

function slotAt(content: Buffer, { offset }: Ring, index: number): Buffer {
  return content.subarray(offset + index * SLOT_BYTES, offset + (index + 1) * SLOT_BYTES);
}
