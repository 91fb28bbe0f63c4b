import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { BackupHeader, BackupRecord } from '../../../src/image/backup/format.ts';
import { BackupReader } from '../../../src/image/backup/reader.ts';
import { BackupWriter } from '../../../src/image/backup/writer.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const HEADER: BackupHeader = {
  id: '6f2f0f0e-7a34-4d3c-9a53-0d3a2b1c0001',
  parent: null,
  chain: '6f2f0f0e-7a34-4d3c-9a53-0d3a2b1c0001',
  sequence: 0,
  created_at: '2026-01-02T03:04:05.000Z',
  quiesced: true,
  vm: {
    ...{ name: 'web1', uuid: 'u', vcpus: 1, memory_mb: 128, username: 'admin' },
    ...{ template: 'image-0', network: 'user' },
  },
  disks: [{ bytes: 1_000_000 }, { bytes: 500 }],
};
const DATA = randomBytes(300);
const RECORDS: BackupRecord[] = [
  { disk: 0, offset: 0, length: 300, data: DATA },
  { disk: 0, offset: 65_536, length: 900_000, data: undefined },
  { disk: 1, offset: 200, length: 300, data: DATA },
];

/** The bytes of a backup with these records. */
async function written(header: BackupHeader, records: readonly BackupRecord[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  const writer = new BackupWriter({
    part: null,
    open: () => undefined,
    write: async (bytes) => void parts.push(Buffer.from(bytes)),
    commit: async () => undefined,
    discard: () => undefined,
  });
  await writer.begin(header);
  for (const { disk, offset, length, data } of records)
    if (data === undefined) await writer.zero(disk, offset, length);
    else await writer.data(disk, offset, data);
  await writer.end();
  return Buffer.concat(parts);
}

function reading(t: TestContext): (bytes: Buffer) => [BackupHeader, BackupRecord[]] {
  const file = path.join(temporaryDirectory(t), 'backup');
  const fd = fs.openSync(file, 'w');
  t.after(() => fs.closeSync(fd));
  return (bytes) => {
    // Thousands of files: one that stays open takes them sooner.
    fs.writeSync(fd, bytes, 0, bytes.length, 0);
    fs.ftruncateSync(fd, bytes.length);
    const reader = new BackupReader(file);
    try {
      const header = reader.header();
      return [header, [...reader.records(header)]];
    } finally {
      reader.close();
    }
  };
}

test('what is written is read again', async (t) => {
  const read = reading(t);
  assert.deepEqual(read(await written(HEADER, RECORDS)), [HEADER, RECORDS]);
  assert.deepEqual(read(await written(HEADER, [])), [HEADER, []]);
});

test('a file with any byte changed, missing or added is refused', async (t) => {
  const read = reading(t);
  const bytes = await written(HEADER, RECORDS);
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << (at % 8)), at);
    assert.throws(() => read(damaged), /is damaged|is not complete|is not a backup/, `byte ${at}`);
  }
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => read(bytes.subarray(0, length)), /is not complete/, `${length} bytes`);
  assert.throws(() => read(Buffer.concat([bytes, Buffer.alloc(1)])), /something follows its end/);
});

test('a record that reaches beyond its disk, or of a disk that is not there, is refused', async (t) => {
  const read = reading(t);
  for (const record of [
    { disk: 1, offset: 201, length: 300, data: DATA },
    { disk: 1, offset: 0, length: 501, data: undefined },
    { disk: 2, offset: 0, length: 1, data: undefined },
    { disk: 0, offset: 0, length: 0, data: undefined },
    { disk: 0, offset: 2 ** 53, length: 1, data: undefined },
  ]) {
    const bytes = await written(HEADER, [record]);
    assert.throws(() => read(bytes), /it holds a record that cannot be/);
  }
});

test('what a header says is checked', async (t) => {
  const read = reading(t);
  for (const wrong of [
    { ...HEADER, disks: [] },
    { ...HEADER, id: 'x' },
    { ...HEADER, vm: { ...HEADER.vm, username: '-x' } },
  ]) {
    const bytes = await written(wrong, []);
    assert.throws(() => read(bytes), /is damaged/);
  }
});
