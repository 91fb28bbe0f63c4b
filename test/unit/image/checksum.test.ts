import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../../src/errors.ts';
import { parseChecksum } from '../../../src/image/checksum.ts';

test('SHA-256 and SHA-512 are accepted in either case', () => {
  assert.deepEqual(parseChecksum(`sha256:${'Ab'.repeat(32)}`), {
    algorithm: 'sha256',
    hex: 'ab'.repeat(32),
  });
  assert.equal(parseChecksum(`sha512:${'0'.repeat(128)}`).algorithm, 'sha512');
});

test('anything weaker, shorter or absent is refused', () => {
  const bad = [
    '',
    'none',
    'md5:00',
    `sha256:${'0'.repeat(63)}`,
    `sha512:${'0'.repeat(64)}`,
    'a'.repeat(64),
  ];
  for (const text of bad) assert.throws(() => parseChecksum(text), InputError, text);
});
