import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { vhostAvailable } from '../../../src/net/tap.ts';
import { becomeUser, chooseUid } from '../../../src/vm/qemu-user.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const range = { first: 70_000, last: 70_009 };

test('each VM gets a number of its own, by its id where that is free', () => {
  assert.equal(chooseUid(103, range, new Set()), 70_003);
  assert.equal(chooseUid(113, range, new Set([70_003])), 70_004);
  assert.equal(chooseUid(109, range, new Set([70_009])), 70_000);
});

test('a range that is used up is told', () => {
  const all = new Set(Array.from({ length: 10 }, (_, i) => 70_000 + i));
  assert.throws(() => chooseUid(100, range, all), /all users from 70000 to 70009 are taken/);
});

test('becoming a user takes every privilege away', () => {
  const argv = becomeUser({ uid: 7, gid: 8, groups: [9, 10], accessGid: 1 });
  assert.deepEqual(argv, [
    'setpriv',
    '--reuid=7',
    '--regid=8',
    '--groups=9,10',
    '--no-new-privs',
    '--inh-caps=-all',
    '--bounding-set=-all',
  ]);
  assert.ok(becomeUser({ uid: 7, gid: 8, groups: [], accessGid: 1 }).includes('--clear-groups'));
});

test('vhost-net is used by those who can open it', (t) => {
  const device = path.join(temporaryDirectory(t), 'vhost-net');
  const user = { uid: 7, groups: [9] };
  assert.equal(vhostAvailable(user, device), false);
  fs.writeFileSync(device, '');
  fs.chmodSync(device, 0o660);
  assert.equal(vhostAvailable(user, device), false);
  assert.equal(vhostAvailable({ uid: 7, groups: [fs.statSync(device).gid] }, device), true);
  fs.chmodSync(device, 0o666);
  assert.equal(vhostAvailable(user, device), true);
  assert.equal(vhostAvailable(undefined, device), true);
});
