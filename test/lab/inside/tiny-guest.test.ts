import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Machine } from '../../support/tiny-guest/machine.ts';

test('a tiny guest comes up on QEMU alone, and its agent answers', async () => {
  await using machine = await Machine.boot({ 'meta-data': 'instance-id: one\n' });
  assert.match(await machine.sh('uname -s'), /^Linux$/);
});
