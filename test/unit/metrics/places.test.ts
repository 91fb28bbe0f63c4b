import assert from 'node:assert/strict';
import { test } from 'node:test';
import { places } from '../../../src/metrics/statd/places.ts';

test('few VMs are sampled together, many are spread over the interval evenly', () => {
  const next = places(2000);
  const moments = Array.from({ length: 512 }, next);
  assert.deepEqual(new Set(moments.slice(0, 16)), new Set([0]));
  const counts = new Map<number, number>();
  for (const moment of moments) counts.set(moment, (counts.get(moment) ?? 0) + 1);
  assert.deepEqual([...counts.keys()], [0, 250, 500, 750, 1000, 1250, 1500, 1750]);
  assert.deepEqual(new Set(counts.values()), new Set([64]));
});
