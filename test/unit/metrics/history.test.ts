import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { COLUMNS, type Point } from '../../../src/metrics/history/format.ts';
import { readHistory } from '../../../src/metrics/history/reader.ts';
import { COARSE_SLOTS, HistoryWriter } from '../../../src/metrics/history/writer.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const UUID = '00000000-0000-4000-8000-000000000001';

const fileOf = (t: TestContext): string => path.join(temporaryDirectory(t), 'web1');

function point(seconds: number, value: number | null): Point {
  const values = Object.fromEntries(COLUMNS.map((column) => [column, value]));
  return { at: seconds * 10, values: values as Point['values'] };
}

test('points come back in the order of time, what was not known as null', (t) => {
  const file = fileOf(t);
  const writer = new HistoryWriter(file, UUID, 2000);
  writer.add(point(100, 5));
  writer.add(point(102, null));
  writer.close();
  const history = readHistory(file);
  assert.deepEqual(history?.fine.points, [point(100, 5), point(102, null)]);
  assert.deepEqual([history?.fine.everyMs, history?.coarse.everyMs], [2000, 60_000]);
});

test('a day later the file is as long as at first, and holds the last of it', (t) => {
  const file = fileOf(t);
  const writer = new HistoryWriter(file, UUID, 2000);
  const { size } = fs.statSync(file);
  assert.ok(size < 100_000);
  const end = 1000 + 26 * 3600;
  for (let at = 1000; at <= end; at += 2) writer.add(point(at, at));
  writer.close();
  assert.equal(fs.statSync(file).size, size);
  const history = readHistory(file);
  assert.equal(history?.fine.points.length, 300);
  assert.deepEqual(history?.fine.points.at(-1), point(end, end));
  assert.deepEqual(history?.fine.points[0], point(end - 598, end - 598));
  assert.equal(history?.coarse.points.length, COARSE_SLOTS);
  // The mean of a minute, stamped with its end.
  const last = history?.coarse.points.at(-1);
  assert.ok(last);
  assert.equal(last.at % 600, 0);
  assert.ok(Math.abs((last.values.cpu_percent ?? 0) - (last.at / 10 - 31)) < 2);
});

test('another writer goes on where the first stopped; for another VM or interval it begins anew', (t) => {
  const file = fileOf(t);
  const add = (uuid: string, interval: number, at: number): number => {
    const writer = new HistoryWriter(file, uuid, interval);
    writer.add(point(at, 1));
    writer.close();
    return readHistory(file)?.fine.points.length ?? 0;
  };
  assert.deepEqual([add(UUID, 2000, 10), add(UUID, 2000, 12), add(UUID, 2000, 14)], [1, 2, 3]);
  assert.equal(add(UUID, 1000, 16), 1);
  assert.equal(add(UUID.replace(/1$/, '2'), 1000, 18), 1);
});

test('what is no history is none, and a slot caught half-written is left out', (t) => {
  const file = fileOf(t);
  assert.equal(readHistory(file), undefined);
  for (const content of ['', 'bhqhist1', 'x'.repeat(100_000)]) {
    fs.writeFileSync(file, content);
    assert.equal(readHistory(file), undefined);
  }
  fs.rmSync(file);
  const writer = new HistoryWriter(file, UUID, 2000);
  writer.add(point(10, 1));
  writer.add(point(12, 1));
  writer.close();
  const content = fs.readFileSync(file);
  content.writeUInt32LE(999, 64);
  fs.writeFileSync(file, content);
  assert.deepEqual(readHistory(file)?.fine.points, [point(12, 1)]);
  // A header that lies about its length.
  content.writeUInt32LE(0xffffffff, 8);
  fs.writeFileSync(file, content);
  assert.equal(readHistory(file), undefined);
});
