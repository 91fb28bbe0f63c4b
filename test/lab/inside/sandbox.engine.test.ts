import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import { test } from 'node:test';
import { callRootAgent } from '../../support/root-agent/client.ts';

// This file runs as BlockHost's engine runs the commands of a provisioner.

const status = fs.readFileSync('/proc/self/status', 'utf8');

test('the user is blockhost, in its folder, with its environment', () => {
  assert.equal(os.userInfo().username, 'blockhost');
  assert.deepEqual(process.getgroups?.(), [process.getgid?.()]);
  assert.equal(process.cwd(), '/var/lib/blockhost');
  assert.equal(process.env.HOME, '/var/lib/blockhost');
  assert.equal(process.env.NODE_OPTIONS, '--dns-result-order=ipv4first');
});

test('there are no privileges and no way to any', () => {
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.match(status, /^CapEff:\t0+$/m);
  assert.throws(() => process.setuid?.(0), { code: 'EPERM' });
});

test('only its own folders and a /tmp of its own can be written', () => {
  for (const folder of ['/etc', '/usr', '/run', '/var/lib', '/var/cache', '/root', '/lab/project'])
    assert.throws(() => fs.writeFileSync(`${folder}/x`, ''), /EACCES|EROFS/, folder);
  for (const folder of ['/var/lib/blockhost', '/run/blockhost', '/tmp']) {
    fs.writeFileSync(`${folder}/sandbox-test`, '');
    fs.rmSync(`${folder}/sandbox-test`);
  }
});

test('the root agent can be reached', async () => {
  assert.match((await callRootAgent('none')).error ?? '', /unknown action/);
});
