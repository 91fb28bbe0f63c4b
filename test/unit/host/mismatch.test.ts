import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod/mini';
import { describeMismatch } from '../../../src/host/mismatch.ts';

const Sizes = z.object({ sizes: z.record(z.string(), z.array(z.number())) });

/** What is said of input that does not fit. */
function said(input: unknown): string {
  const { error } = Sizes.safeParse(input);
  assert.ok(error);
  return describeMismatch(error, input);
}

test('the place that is wrong is named from the top', () => {
  assert.equal(said({ sizes: { big: [1, 'x'] } }), 'sizes.big[1] should be a number, found "x"');
  assert.equal(said(5), 'it should be an object, found 5');
});

test('a key that a terminal would obey is told in quotes', () => {
  assert.equal(
    said({ sizes: { 'a\u001b[2J': 5 } }),
    'sizes["a\\u001b[2J"] should be an array, found 5',
  );
});
