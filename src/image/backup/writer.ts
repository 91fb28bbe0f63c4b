import { createHash } from 'node:crypto';
import type { Sink } from '../../host/sink.ts';
import { type BackupHeader, KINDS, MAGIC, RECORD_BYTES } from './format.ts';

/** Writes a backup in order; its last record holds the SHA-256 of all that stands before it. */
export class BackupWriter {
  readonly #sink: Sink;
  readonly #hash = createHash('sha256');
  /** Bytes of disk content so far. */
  dataBytes = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  async begin(header: BackupHeader): Promise<void> {
    await this.#put(Buffer.from(`${MAGIC}${JSON.stringify(header)}\n`, 'utf8'));
  }

  async data(disk: number, offset: number, bytes: Buffer): Promise<void> {
    this.dataBytes += bytes.length;
    await this.#put(record(KINDS.data, disk, offset, bytes.length));
    await this.#put(bytes);
  }

  async zero(disk: number, offset: number, length: number): Promise<void> {
    await this.#put(record(KINDS.zero, disk, offset, length));
  }

  async end(): Promise<void> {
    const digest = this.#hash.digest();
    await this.#sink.write(Buffer.concat([record(KINDS.end, 0, 0, digest.length), digest]));
  }

  async #put(bytes: Buffer): Promise<void> {
    this.#hash.update(bytes);
    await this.#sink.write(bytes);
  }
}

function record(kind: string, disk: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES);
  bytes.write(kind, 0, 'latin1');
  bytes.writeUInt32BE(disk, 4);
  bytes.writeBigUInt64BE(BigInt(offset), 8);
  bytes.writeBigUInt64BE(BigInt(length), 16);
  return bytes;
}
