import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { findAccount, findGroup, groupsOf } from '../../../src/host/accounts.ts';
import { chooseRole, type RoleFacts } from '../../../src/host/role.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const none = '/no/such/place';
const facts = (more: Partial<RoleFacts> = {}): RoleFacts => ({
  setting: 'auto',
  ownFolder: false,
  agentSocket: none,
  blockhostState: none,
  user: 'daemon',
  ...more,
});

test('a folder of its own is worked on by whoever runs the verb', () => {
  const on = { ownFolder: true, agentSocket: '/', blockhostState: '/' };
  for (const uid of [0, 1000]) assert.equal(chooseRole(facts(on), uid).kind, 'own');
});

test('root becomes the user of BlockHost where there are such a user and its folder', () => {
  assert.equal(chooseRole(facts(), 0).kind, 'own');
  assert.equal(
    chooseRole(facts({ user: 'nobody-of-that-name', blockhostState: '/' }), 0).kind,
    'own',
  );
  const role = chooseRole(facts({ blockhostState: '/' }), 0);
  assert.equal(role.kind, 'split');
  assert.ok(role.kind === 'split' && role.account.uid > 0);
  assert.equal(chooseRole(facts({ blockhostState: '/', setting: 'own' }), 0).kind, 'own');
});

test('others ask the root agent where there is one', () => {
  assert.equal(chooseRole(facts(), 1000).kind, 'own');
  assert.equal(chooseRole(facts({ agentSocket: '/' }), 1000).kind, 'agent');
  assert.equal(chooseRole(facts({ setting: 'agent' }), 1000).kind, 'agent');
});

test('accounts and groups are read as their files have them', (t) => {
  const directory = temporaryDirectory(t);
  const passwd = path.join(directory, 'passwd');
  const group = path.join(directory, 'group');
  fs.writeFileSync(passwd, 'root:x:0:0:root:/root:/bin/sh\nvm:x:200:201::/var/lib/vm:/bin/false\n');
  fs.writeFileSync(group, 'vm:x:201:\nkvm:x:109:other,vm\nvmx:x:5:vmm\n');
  assert.deepEqual(findAccount('vm', passwd), { uid: 200, gid: 201, home: '/var/lib/vm' });
  assert.equal(findAccount('v', passwd), undefined);
  assert.equal(findGroup('kvm', group), 109);
  assert.equal(findGroup('kv', group), undefined);
  assert.deepEqual(groupsOf('vm', group), [109]);
});
