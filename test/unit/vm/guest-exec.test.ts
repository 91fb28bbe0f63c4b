import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCodeOf } from '../../../src/vm/guest-exec.ts';

test('a code that a process on Linux cannot have is a failure, also when its lowest byte is 0', () => {
  for (const code of [0, 1, 127, 255]) assert.equal(exitCodeOf(code), code);
  for (const code of [256, -1, 0xc0000005, 2 ** 40]) assert.equal(exitCodeOf(code), 255);
});
