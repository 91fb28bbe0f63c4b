/**
 * The file of a VM's recent past: a header, a ring of fine slots, a ring of coarse ones. Everything has a
 * fixed place, so that adding a sample is one write of one slot, and the file never grows. Little endian.
 */
export const MAGIC = 'bhqhist1';
export const HEADER_BYTES = 64;

/** What a slot holds, in this order, each as a 32-bit float after the time. Null is NaN. */
export const COLUMNS = [
  'cpu_percent',
  'memory_used_mb',
  'disk_used_mb',
  'disk_read_iops',
  'disk_write_iops',
  'disk_read_bytes_sec',
  'disk_write_bytes_sec',
  'net_rx_bytes_sec',
  'net_tx_bytes_sec',
  'net_connections',
] as const;
export type Column = (typeof COLUMNS)[number];

/** Time, columns, and at the end the time again: a slot caught half-written has two different ones. */
export const SLOT_BYTES = 4 * (COLUMNS.length + 2);

export interface Ring {
  slots: number;
  offset: number;
}

export interface Layout {
  fine: Ring;
  coarse: Ring;
  bytes: number;
}

export function layoutOf(fineSlots: number, coarseSlots: number): Layout {
  const fine = { slots: fineSlots, offset: HEADER_BYTES };
  const coarse = { slots: coarseSlots, offset: fine.offset + fineSlots * SLOT_BYTES };
  return { fine, coarse, bytes: coarse.offset + coarseSlots * SLOT_BYTES };
}

/** One moment of a VM. `at` is the host's uptime in tenths of a second. */
export interface Point {
  at: number;
  values: Record<Column, number | null>;
}

export function encodeSlot(point: Point, into: Buffer): void {
  into.writeUInt32LE(point.at, 0);
  COLUMNS.forEach((column, i) => {
    into.writeFloatLE(point.values[column] ?? Number.NaN, 4 + 4 * i);
  });
  into.writeUInt32LE(point.at, SLOT_BYTES - 4);
}

/** Undefined for an empty slot, and for one caught half-written. */
export function decodeSlot(slot: Buffer): Point | undefined {
  const at = slot.readUInt32LE(0);
  if (at === 0 || at !== slot.readUInt32LE(SLOT_BYTES - 4)) return undefined;
  const values = {} as Point['values'];
  COLUMNS.forEach((column, i) => {
    const value = slot.readFloatLE(4 + 4 * i);
    values[column] = Number.isNaN(value) ? null : value;
  });
  return { at, values };
}

export interface Header {
  /** Which VM, however it is named. */
  uuid: string;
  fineSlots: number;
  coarseSlots: number;
  fineMs: number;
  coarseMs: number;
  /** Times are of this boot. */
  bootId: string;
}

export function encodeHeader(header: Header): Buffer {
  const buffer = Buffer.alloc(HEADER_BYTES);
  buffer.write(MAGIC, 0, 'latin1');
  buffer.writeUInt32LE(header.fineSlots, 8);
  buffer.writeUInt32LE(header.coarseSlots, 12);
  buffer.writeUInt32LE(header.fineMs, 16);
  buffer.writeUInt32LE(header.coarseMs, 20);
  buffer.write(header.uuid.replaceAll('-', ''), 24, 'hex');
  buffer.write(header.bootId.replaceAll('-', ''), 40, 'hex');
  return buffer;
}

/** Undefined for what is no such file. */
export function decodeHeader(buffer: Buffer): Header | undefined {
  if (buffer.length < HEADER_BYTES || buffer.toString('latin1', 0, 8) !== MAGIC) return undefined;
  return {
    fineSlots: buffer.readUInt32LE(8),
    coarseSlots: buffer.readUInt32LE(12),
    fineMs: buffer.readUInt32LE(16),
    coarseMs: buffer.readUInt32LE(20),
    uuid: dashed(buffer.toString('hex', 24, 40)),
    bootId: dashed(buffer.toString('hex', 40, 56)),
  };
}

function dashed(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
