import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { KERNEL_PANIC, lastLines, readableLines } from '../../../src/host/log-tail.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

test('what a terminal would act on is taken out or made visible', () => {
  for (const [text, lines] of [
    ['\u001b[31mred\u001b[0m\r\n', ['red']],
    ['\u001b]0;title\u0007plain\n', ['plain']],
    ['\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\\n', ['link']],
    ['\u001b(Bx\u001bcy\n', ['xy']],
    // One that is never ended takes nothing with it.
    ['\u001b]0;no end\n', ['0;no end']],
    ['a\u0008b\u009b2J\n', ['a\\u0008b\\u009b2J']],
    ['\u202ebidi\n', ['\\u202ebidi']],
    ['10%\r50%\r100%\r\n', ['100%']],
    ['\n\n  \nlast', ['last']],
    ['tab\there\n', ['tab here']],
  ] as const)
    assert.deepEqual(readableLines(text), lines, JSON.stringify(text));
});

test('lines are cut, and so is their number', () => {
  assert.equal(readableLines('x'.repeat(5000))[0]?.length, 200);
  // Sequences without an end cost no more than their length.
  const began = performance.now();
  readableLines('\u001b]'.repeat(100_000));
  readableLines('\u001b['.repeat(100_000));
  assert.ok(performance.now() - began < 5000);
});

test('of a file the end is read, and only of a file', (t) => {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'log');
  assert.deepEqual(lastLines(file, 5), []);
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i} of many`);
  fs.writeFileSync(file, `${lines.join('\n')}\n`);
  assert.deepEqual(lastLines(file, 3), lines.slice(-3));
  // No part of a line is taken for a line.
  assert.ok(lastLines(file, 5000).every((line) => lines.includes(line)));
  const link = path.join(directory, 'link');
  fs.symlinkSync(file, link);
  assert.deepEqual(lastLines(link, 3), []);
  assert.deepEqual(lastLines(directory, 3), []);
});

test('a line that tells more than the last ones is kept', (t) => {
  const file = path.join(temporaryDirectory(t), 'log');
  const trace = Array.from({ length: 40 }, (_, i) => `frame ${i}`);
  fs.writeFileSync(file, ['Kernel panic - not syncing: crash', ...trace].join('\n'));
  const lines = lastLines(file, 20, KERNEL_PANIC);
  assert.deepEqual(lines, ['Kernel panic - not syncing: crash', ...trace.slice(-19)]);
  assert.deepEqual(lastLines(file, 20, /nothing/), trace.slice(-20));
});
