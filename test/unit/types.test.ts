import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../src/errors.ts';
import { isVmName, parseVmName, quote } from '../../src/types.ts';

test('names that BlockHost allows are accepted', () => {
  for (const name of ['a', 'vm1', 'blockhost-001', 'A.b_c-d', 'x'.repeat(64)])
    assert.ok(isVmName(name), name);
});

test('names that try paths, options, newlines or length are refused in one line', () => {
  const bad = [
    '',
    '.',
    '..',
    '../x',
    'a/b',
    '-rf',
    '--help',
    '_x',
    '.x',
    'a\n',
    'a\nb',
    'a b',
    'a\0b',
    'ä',
    'x'.repeat(65),
  ];
  for (const name of [...bad, undefined, 7, {}]) {
    assert.throws(
      () => parseVmName(name),
      (error: unknown) => error instanceof InputError && !error.message.includes('\n'),
      JSON.stringify(name),
    );
  }
});

test('quoted text keeps to one line and hides no control character', () => {
  const hostile = quote('a\n\u001b[2J\u009b\u202e\u2028x');
  for (const c of ['\n', '\u001b', '\u009b', '\u202e', '\u2028']) assert.ok(!hostile.includes(c));
  assert.equal(quote('x'.repeat(500)).length, 82);
});
