import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { lockFile } from '../../../src/host/lock.ts';
import { poll } from '../../../src/host/time.ts';
import { parseVmName } from '../../../src/types.ts';
import { audit } from '../../support/audit/audit.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after }, { accel: 'tcg' });
const { paths } = sandbox.config;
const base = path.dirname(sandbox.state);
const file = (name: string): string => path.join(base, name);
const name = parseVmName('v1');

before(async () => {
  // Nothing to boot: it costs nothing.
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', file('blank'), '1M']);
  const machine = ['--memory', '128', '--disk', '1', '--extra-disk', '1', '--apply', '--no-wait'];
  await sandbox.ok('create', ['v1', '--image', file('blank'), ...machine]);
  await sandbox.ok('backup', ['v1', '--to', file('full')]);
});

async function nothingLeft(): Promise<void> {
  const { state, run: runs } = paths;
  assert.deepEqual(await audit({ state, run: runs }), []);
}

test('one that waits for its turn heeds a signal: the file is whole, the chain is where it was', async () => {
  const running = sandbox.begin('backup', ['v1', '--incremental', '--to', file('written')]);
  const { fleece } = sandbox.files('v1');
  const begun = (): true | undefined =>
    fs.existsSync(path.join(fleece, 'note.json')) ? true : undefined;
  assert.ok(await poll(begun, { deadlineMs: 60_000, everyMs: 1 }), running.stderr);
  // As another verb that keeps the VM; the backup has let it go as soon as it copies.
  const busy = { what: 'VM v1', holder: 'stop of v1', waitMs: 60_000 };
  const lock = await lockFile(paths.lock(name), busy);
  const written = (): true | undefined => (fs.existsSync(file('written')) ? true : undefined);
  assert.ok(await poll(written, { deadlineMs: 60_000, everyMs: 20 }), running.stderr);
  running.child.kill('SIGTERM');
  const { code, stderr, seconds } = await running.done;
  assert.equal(code, 1, stderr);
  assert.match(stderr, /the backup is written, but no increment will follow it.*; make another/);
  assert.ok(seconds < 60, `${seconds} s`);
  lock.release();
  const whole = await sandbox.ok('restore', ['--check', file('full'), file('written')]);
  assert.match(whole, /complete and undamaged/);
  const said = await sandbox.ok('backup', ['v1', '--incremental', '--to', file('again')]);
  assert.match(said, /\(increment 1, /);
  await sandbox.ok('restore', ['--check', file('full'), file('again')]);
  await nothingLeft();
});

test('a server of its disks that nobody has ended is ended by the next', async () => {
  const directory = paths.imageServer(name);
  fs.mkdirSync(directory, { mode: 0o700 });
  const socket = `--socket=${path.join(directory, 'system')}`;
  const server = spawn('qemu-nbd', ['--persistent', socket, '-f', 'qcow2', file('blank')], {
    stdio: 'ignore',
  });
  const ended = once(server, 'exit');
  const listens = (): true | undefined =>
    fs.existsSync(path.join(directory, 'system')) ? true : undefined;
  assert.ok(await poll(listens, { deadlineMs: 60_000, everyMs: 10 }));
  await sandbox.ok('backup', ['v1', '--to', file('after-server')]);
  assert.deepEqual(await ended, [null, 'SIGKILL']);
  await nothingLeft();
});

test('a disk that has another size than its VM is not backed up, on the disk or in a file', async () => {
  await sandbox.ok('stop', ['v1', '--timeout', '0']);
  const extra = path.join(sandbox.files('v1').directory, 'extra1.qcow2');
  await run('qemu-img', ['resize', '-q', extra, '2G']);
  const { code, stderr } = await sandbox.run('backup', ['v1', '--to', file('other')]);
  assert.equal(code, 1, stderr);
  assert.match(
    stderr,
    /its disk extra1 has 2147483648 bytes, not 1073741824 as vm.json says; give/,
  );
  assert.equal(fs.existsSync(file('other')), false);
  await nothingLeft();
});
