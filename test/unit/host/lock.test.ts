import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { BusyError } from '../../../src/errors.ts';
import { lockFile } from '../../../src/host/lock.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const options = { what: 'VM web1', holder: 'create of web1', waitMs: 0 };

test('the second holder is refused at once and told who the first is', async (t) => {
  const file = path.join(temporaryDirectory(t), 'a', 'x.lock');
  const lock = await lockFile(file, options);
  await assert.rejects(
    lockFile(file, options),
    (error: unknown) =>
      error instanceof BusyError &&
      error.message === `VM web1 is in use by create of web1 (pid ${process.pid})`,
  );
  lock.release();
  lock.release();
  (await lockFile(file, options)).release();
});

test('the one who waits gets it when it is released', async (t) => {
  const file = path.join(temporaryDirectory(t), 'x.lock');
  const first = await lockFile(file, options);
  const order: string[] = [];
  const second = lockFile(file, { ...options, waitMs: 10_000 }).then((lock) => {
    order.push('second');
    lock.release();
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  order.push('first');
  first.release();
  await second;
  assert.deepEqual(order, ['first', 'second']);
});

test('waiting ends at its deadline', async (t) => {
  const file = path.join(temporaryDirectory(t), 'x.lock');
  const lock = await lockFile(file, options);
  await assert.rejects(lockFile(file, { ...options, waitMs: 100 }), BusyError);
  lock.release();
});

test('a holder that is killed leaves no lock behind', async (t) => {
  const file = path.join(temporaryDirectory(t), 'x.lock');
  const holder = spawn('flock', ['--exclusive', '--no-fork', file, 'sleep', '60'], {
    stdio: 'ignore',
  });
  await once(holder, 'spawn');
  for (;;) {
    try {
      (await lockFile(file, options)).release();
      await new Promise((resolve) => setTimeout(resolve, 10));
    } catch (error) {
      assert.ok(error instanceof BusyError);
      break;
    }
  }
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  (await lockFile(file, options)).release();
});

test('a lock can be removed while others wait for it, and still only one has it at a time', async (t) => {
  const file = path.join(temporaryDirectory(t), 'x.lock');
  let inside = 0;
  const turn = async (): Promise<void> => {
    const lock = await lockFile(file, { ...options, waitMs: 20_000 });
    inside += 1;
    assert.equal(inside, 1);
    await new Promise((resolve) => setTimeout(resolve, 2));
    inside -= 1;
    lock.remove();
  };
  await Promise.all(Array.from({ length: 20 }, turn));
  assert.ok(!fs.existsSync(file));
});
