import * as assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineReader } from '../../../src/qmp/transport/line-reader.ts';

function collect(options: { maxLineBytes: number; mark?: number }) {
  const lines: string[] = [];
  const marked: string[] = [];
  const seen = { lines, marked, tooLong: 0 };
  const reader = new LineReader(
    {
      onLine: (line, afterMark) => {
        lines.push(line.toString());
        if (afterMark) marked.push(line.toString());
      },
      onTooLong: () => {
        seen.tooLong += 1;
      },
    },
    options,
  );
  return { reader, seen };
}

test('lines come out the same however the bytes are sliced', () => {
  const text = Buffer.from('{"a":"größe"}\r\n\n{"b":"🖥️"}\nlast\n');
  for (let size = 1; size <= text.length; size++) {
    const { reader, seen } = collect({ maxLineBytes: 100 });
    for (let at = 0; at < text.length; at += size) reader.push(text.subarray(at, at + size));
    assert.deepEqual(seen.lines, ['{"a":"größe"}\r', '{"b":"🖥️"}', 'last']);
  }
});

test('an unfinished line is kept back', () => {
  const { reader, seen } = collect({ maxLineBytes: 100 });
  reader.push(Buffer.from('one\ntw'));
  assert.deepEqual(seen.lines, ['one']);
  reader.push(Buffer.from('o\n'));
  assert.deepEqual(seen.lines, ['one', 'two']);
});

test('a line beyond the limit is reported once and dropped up to the newline', () => {
  const { reader, seen } = collect({ maxLineBytes: 4 });
  for (const piece of ['1234\n', '123', '45', '6', '\nok\n']) reader.push(Buffer.from(piece));
  assert.deepEqual(seen.lines, ['1234', 'ok']);
  assert.equal(seen.tooLong, 1);
});

test('the mark forgets what was on the line before it, a line too long included', () => {
  const { reader, seen } = collect({ maxLineBytes: 8, mark: 0xff });
  reader.push(Buffer.from('stale stale stale stale'));
  reader.push(Buffer.from([0xff, 0x61, 0xff, 0x62]));
  reader.push(Buffer.from('c\nd\n'));
  assert.deepEqual(seen.lines, ['bc', 'd']);
  assert.deepEqual(seen.marked, ['bc']);
});

test('a long line costs time in proportion to its length, even byte by byte', () => {
  const cost = (bytes: number): number => {
    const { reader, seen } = collect({ maxLineBytes: bytes });
    const one = Buffer.from('x');
    const began = process.cpuUsage();
    for (let i = 0; i < bytes; i++) reader.push(one);
    reader.push(Buffer.from('\n'));
    assert.equal(seen.lines[0]?.length, bytes);
    const spent = process.cpuUsage(began);
    return spent.user + spent.system;
  };
  cost(10_000);
  const small = Math.max(cost(20_000), 2000);
  // Sixteen times the bytes: about 16 when linear, 256 when quadratic.
  assert.ok(cost(320_000) < small * 100);
});
