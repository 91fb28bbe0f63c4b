import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as z from 'zod/mini';
import { InputError, messageOf } from '../../errors.ts';
import { describeMismatch } from '../../host/mismatch.ts';
import { openRegular } from '../../host/regular-file.ts';
import { quote } from '../../types.ts';
import {
  BackupHeader,
  type BackupRecord,
  KINDS,
  MAGIC,
  MAX_DATA_BYTES,
  MAX_HEADER_BYTES,
  RECORD_BYTES,
} from './format.ts';

const BLOCK = 4 * 1024 * 1024;

/** A backup file read from its beginning, once. Each failure names the file and what is wrong with it. */
export class BackupReader {
  readonly file: string;
  readonly #fd: number;
  readonly #hash = createHash('sha256');
  #block = Buffer.alloc(0);

  constructor(file: string) {
    this.file = file;
    if (fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() === true)
      throw new InputError(`${quote(file)} is a folder, not a backup`);
    // It is read twice, so that a pipe is of no use.
    this.#fd = openRegular(file, quote(file));
  }

  header(): BackupHeader {
    if (this.#take(MAGIC.length).toString('latin1') !== MAGIC)
      throw this.#wrong('is not a backup of this program');
    const line: Buffer[] = [];
    for (let length = 0; ; length++) {
      const byte = this.#take(1);
      if (byte[0] === 0x0a) break;
      if (length === MAX_HEADER_BYTES) throw this.#wrong('is damaged: its header has no end');
      line.push(byte);
    }
    let content: unknown;
    try {
      content = JSON.parse(Buffer.concat(line).toString('utf8'));
    } catch {
      throw this.#wrong('is damaged: its header is not JSON');
    }
    const result = z.safeParse(BackupHeader, content);
    if (result.success) return result.data;
    throw this.#wrong(`is damaged: ${describeMismatch(result.error, content)}`);
  }

  /** All records of the disks, after `header`. Without an error, length and checksum of the whole file are right. */
  *records({ disks }: BackupHeader): Generator<BackupRecord> {
    for (;;) {
      const digest = this.#hash.copy().digest();
      const head = this.#take(RECORD_BYTES);
      const kind = head.toString('latin1', 0, 4);
      const disk = head.readUInt32BE(4);
      const offset = Number(head.readBigUInt64BE(8));
      const length = Number(head.readBigUInt64BE(16));
      if (kind === KINDS.end && disk === 0 && offset === 0) return this.#end(digest, length);
      const bytes = disks[disk]?.bytes ?? 0;
      const known = kind === KINDS.data ? length <= MAX_DATA_BYTES : kind === KINDS.zero;
      if (!known || length < 1 || offset + length > bytes)
        throw this.#wrong('is damaged: it holds a record that cannot be');
      const data = kind === KINDS.data ? this.#take(length) : undefined;
      yield { disk, offset, length, data };
    }
  }

  close(): void {
    fs.closeSync(this.#fd);
  }

  #end(digest: Buffer, length: number): void {
    if (length !== digest.length || !this.#take(length).equals(digest))
      throw this.#wrong('is damaged: its checksum is wrong');
    if (this.#block.length > 0 || fs.readSync(this.#fd, Buffer.alloc(1)) > 0)
      throw this.#wrong('is damaged: something follows its end');
  }

  #take(length: number): Buffer {
    const parts = [this.#block];
    let have = this.#block.length;
    while (have < length) {
      const block = Buffer.allocUnsafe(BLOCK);
      const size = this.#read(block);
      if (size === 0) throw this.#wrong('is not complete: its end is missing');
      parts.push(block.subarray(0, size));
      have += size;
    }
    const all = parts.length === 1 ? this.#block : Buffer.concat(parts);
    const taken = all.subarray(0, length);
    this.#block = all.subarray(length);
    this.#hash.update(taken);
    return taken;
  }

  #read(block: Buffer): number {
    try {
      return fs.readSync(this.#fd, block);
    } catch (cause) {
      throw this.#wrong(`cannot be read: ${messageOf(cause)}`);
    }
  }

  #wrong(what: string): InputError {
    return new InputError(`${quote(this.file)} ${what}`, { hint: 'nothing was changed' });
  }
}
