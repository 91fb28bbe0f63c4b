import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { BusyError, ProvisionerError } from '../../../../src/errors.ts';
import { takeProvisioningLock } from '../../../../src/host/blockhost/provisioning-lock.ts';
import { temporaryDirectory } from '../../../support/temporary.ts';

test('the lock is a file with our pid in decimal digits, and gone afterwards', (t) => {
  const { directory, file } = fresh(t);
  const lock = takeProvisioningLock(directory);
  assert.equal(fs.readFileSync(file, 'utf8'), String(process.pid));
  assert.deepEqual(fs.readdirSync(directory), ['provisioning.lock']);
  lock.release();
  lock.release();
  assert.deepEqual(fs.readdirSync(directory), []);
});

test('a second one fails and says who is at it; the first keeps its lock', (t) => {
  const { directory, file } = fresh(t);
  const lock = takeProvisioningLock(directory);
  assert.throws(
    () => takeProvisioningLock(directory),
    (error: BusyError) => {
      assert.ok(error instanceof BusyError);
      assert.match(error.message, new RegExp(`pid ${process.pid}`));
      return true;
    },
  );
  assert.ok(fs.existsSync(file));
  lock.release();
});

for (const content of [String(deadPid()), '', 'not a pid', '0', '-1', '99999999999']) {
  test(`a lock that says ${JSON.stringify(content)} belongs to nobody alive`, (t) => {
    const { directory, file } = fresh(t);
    fs.writeFileSync(file, content);
    takeProvisioningLock(directory).release();
    assert.ok(!fs.existsSync(file));
  });
}

test('a process of somebody else is alive although it must not be signalled', (t) => {
  const { directory, file } = fresh(t);
  fs.writeFileSync(file, '1\n');
  t.mock.method(process, 'kill', () => {
    throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
  });
  assert.throws(() => takeProvisioningLock(directory), BusyError);
});

test('a lock that became another’s is not removed', (t) => {
  const { directory, file } = fresh(t);
  const lock = takeProvisioningLock(directory);
  fs.writeFileSync(file, '1');
  lock.release();
  assert.equal(fs.readFileSync(file, 'utf8'), '1');
});

test('a directory that cannot be written is said in words', (t) => {
  const { directory } = fresh(t);
  assert.throws(
    () => takeProvisioningLock(path.join(directory, 'nowhere')),
    (error) => {
      assert.ok(error instanceof ProvisionerError);
      assert.match(error.hint ?? '', /engine starts/);
      return true;
    },
  );
});

function fresh(t: TestContext) {
  const directory = temporaryDirectory(t);
  return { directory, file: path.join(directory, 'provisioning.lock') };
}

function deadPid(): number {
  return spawnSync('true').pid;
}

test('a lock that can no longer be removed makes no failure of what was done under it', (t) => {
  const { directory, file } = fresh(t);
  const lock = takeProvisioningLock(directory);
  // In the way of the removal.
  fs.mkdirSync(`${file}.${process.pid}.old`);
  lock.release();
  assert.ok(fs.existsSync(file));
});
