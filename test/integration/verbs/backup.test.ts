import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, test } from 'node:test';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
const file = (name: string): string => `${sandbox.state}.${name}`;

test('a VM is backed up when it is off, completely and by increment, and restored as another', async () => {
  await sandbox.create('web1');
  await sandbox.shOnDisk('web1', 'echo one >/data/note; sync');
  const running = await sandbox.run('backup', ['web1', '--to', file('full')]);
  assert.match(running.stderr, /VM web1 is running: it is backed up when it is off/);
  await sandbox.ok('stop', ['web1']);
  assert.match(await sandbox.ok('backup', ['web1', '--to', file('full')]), /\(complete, /);
  await sandbox.ok('start', ['web1']);
  await sandbox.shOnDisk('web1', 'echo two >/data/note; sync');
  await sandbox.ok('stop', ['web1']);
  const second = await sandbox.ok('backup', ['web1', '--incremental', '--to', file('inc')]);
  assert.match(second, /\(increment 1, /);
  assert.ok(fs.statSync(file('inc')).size < fs.statSync(file('full')).size);
  assert.equal(fs.existsSync(sandbox.files('web1').fleece), false);
  fs.writeFileSync(file('short'), fs.readFileSync(file('full')).subarray(0, -1));
  const short = await sandbox.run('restore', [file('short'), 'web2']);
  assert.match(short.stderr, /is not complete: its end is missing/);
  assert.equal(fs.existsSync(sandbox.files('web2').directory), false);
  await sandbox.ok('restore', [file('full'), file('inc'), 'web2']);
  assert.equal(await sandbox.shOnDisk('web2', 'cat /data/note'), 'two');
  await sandbox.ok('restore', [file('full'), 'web3']);
  assert.equal(await sandbox.shOnDisk('web3', 'cat /data/note'), 'one');
});
