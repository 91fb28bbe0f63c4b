import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { before, test } from 'node:test';
import { poll } from '../../../src/host/time.ts';
import { programFile, Running } from '../../support/program.ts';
import { SmallDisk } from '../../support/small-disk.ts';

const small = await SmallDisk.make(400);
const { sandbox } = small;

const inspect = async () => JSON.parse(await sandbox.ok('inspect', ['web1']));
const stateIs = (
  wanted: string,
  qemuStatus: string,
  deadlineMs = 60_000,
): Promise<true | undefined> =>
  poll(
    async () => {
      const { state, qemu_status } = await inspect();
      return state === wanted && qemu_status === qemuStatus ? true : undefined;
    },
    { deadlineMs, everyMs: 100 },
  );
/** The guest writes 24 MB that it can tell again where nothing was before, and syncs them, in the background. */
const writeAt = (megabyte: number): string =>
  `head -c 4194304 /dev/urandom >/tmp/noise; sha256sum </tmp/noise >/tmp/sum; rm -f /tmp/done
setsid sh -c 'for i in 0 1 2 3 4 5; do dd if=/tmp/noise of=/dev/vdc bs=1M seek=$((${megabyte} + i * 4)) conv=notrunc,fsync || exit; done; touch /tmp/done' </dev/null >/tmp/said 2>&1 &`;
const readAt = (megabyte: number): string =>
  `[ -e /tmp/done ] || exit 1; echo 3 >/proc/sys/vm/drop_caches
for i in 0 1 2 3 4 5; do dd if=/dev/vdc bs=1M skip=$((${megabyte} + i * 4)) count=4 2>/dev/null | sha256sum | cmp - /tmp/sum || exit 2; done; cat /tmp/said`;

async function fillUp(megabyte: number): Promise<void> {
  small.fill(8);
  // It may be paused before its agent has answered.
  await sandbox.run('guest-exec', ['web1', writeAt(megabyte)]);
  assert.ok(await stateIs('paused', 'io-error'), 'the guest is not paused');
}

before(() => sandbox.create('web1', '--extra-disk', '1'));

test('a guest that finds the disk full is paused, and everybody says so', async () => {
  await fillUp(0);
  assert.equal(await sandbox.ok('status', ['web1']), 'suspended\n');
  assert.match(await sandbox.ok('list'), /^web1\t.*suspended/m);
  assert.equal(JSON.parse(await sandbox.ok('metrics', ['web1'])).state, 'paused');
  assert.match((await inspect()).reason, /waits for room: .* is full/);
  const argv = [programFile('blockhost-qemu'), 'doctor', '--json'];
  const { stdout } = await new Running(argv, { env: sandbox.env }).done;
  assert.match(stdout, /"io-error"/);
  const said = await sandbox.ok('explain', ['web1']);
  assert.match(said, /^VM web1 is paused: a write to extra1 failed on the host/, said);
});

test('it is not let go on while there is no room', async () => {
  small.fill(0);
  const full = await sandbox.run('start', ['web1']);
  assert.deepEqual([full.code, full.stdout], [1, '']);
  assert.match(full.stderr, /: the file system of \S+ is full; free some space there/);
  // Enough for a verb's own notes, but not for the guest.
  small.fill(0.5);
  const { code, stdout, stderr } = await sandbox.run('start', ['web1']);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(
    stderr,
    /VM web1 is paused again: its disk still cannot be written, \d MB are free in \S+; free some space there, then start web1 again/,
  );
});

test('with room it goes on, and has lost nothing', async () => {
  small.clear();
  assert.equal(await sandbox.ok('start', ['web1']), 'VM web1 goes on\n');
  await writtenWell(0);
});

async function writtenWell(megabyte: number): Promise<void> {
  const read = (): Promise<string | undefined> =>
    sandbox.run('guest-exec', ['web1', readAt(megabyte)]).then(({ code, stdout }) => {
      assert.notEqual(code, 2, `the disk does not hold what was written: ${stdout}`);
      return code === 0 ? stdout : undefined;
    });
  const said = await poll(read, { deadlineMs: 120_000, everyMs: 300 });
  assert.doesNotMatch(said ?? 'it never ends', /error|never/i);
}

test('with the sampler it goes on by itself as soon as there is room', async () => {
  await fillUp(100);
  const statd = spawn(programFile('blockhost-qemu'), ['statd'], {
    env: { ...process.env, ...sandbox.env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    assert.equal(await stateIs('running', 'running', 6000), undefined, 'it goes on without room');
    small.clear();
    assert.ok(await stateIs('running', 'running'), 'it does not go on');
    await writtenWell(100);
  } finally {
    const ended = once(statd, 'exit');
    statd.kill('SIGTERM');
    await ended;
  }
});

/** Without what the guest brings about: it takes room, and waits when it writes of itself and there is none. */
function ofVerbs({ disk_used_bytes: _, ...rest }: Record<string, unknown>): object {
  const waits = rest.qemu_status === 'io-error';
  return waits ? { ...rest, state: 'running', qemu_status: 'running', reason: null } : rest;
}

test('verbs that need room say so and leave everything as it was', async () => {
  small.fill(0);
  const before = await inspect();
  for (const [verb, ...args] of [
    ['throttle', 'web1', '--iops-read', '100'],
    ['snapshot', 'create', 'web1', 's1'],
    ['create', 'web2', ...sandbox.tiny, '--apply'],
  ] as const) {
    const { code, stdout, stderr } = await sandbox.run(verb, args);
    assert.deepEqual([code, stdout], [1, ''], `${verb}: ${stderr}`);
    assert.match(stderr, /is full|are free in|cannot be written|no room/i, verb);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
  }
  // Where nothing was made yet, nothing is made: not even the image is read.
  const state = `${sandbox.state}-new`;
  const first = await sandbox.run('create', ['web2', ...sandbox.tiny, '--apply'], {
    env: { BLOCKHOST_QEMU_STATE_DIR: state },
  });
  assert.match(first.stderr, /^blockhost-vm-create: only 0 MB are free in [^\n]+\n$/);
  assert.deepEqual([first.code, fs.existsSync(state)], [1, false]);
  assert.deepEqual(ofVerbs(await inspect()), ofVerbs(before));
  assert.equal(fs.existsSync(sandbox.files('web2').directory), false);
  assert.doesNotMatch(await sandbox.ok('throttle', ['web1', '--show']), /100/);
});

test('on a full disk a VM can be looked at, stopped, started and destroyed', async () => {
  small.fill(0);
  // A guest that writes of itself waits.
  assert.match(await sandbox.ok('status', ['web1']), /^(active|suspended)\n$/);
  JSON.parse(await sandbox.ok('metrics', ['web1']));
  assert.match(await sandbox.ok('stop', ['web1', '--timeout', '20']), /^VM web1 is off/);
  assert.equal(await sandbox.ok('status', ['web1']), 'suspended\n');
  small.fill(0);
  await sandbox.ok('destroy', ['web1']);
  assert.equal(fs.existsSync(sandbox.files('web1').directory), false);
  assert.doesNotMatch(await sandbox.ok('list'), /web1/);
});

test('stop does not wait for a guest whose disk cannot be written', async () => {
  small.clear();
  await sandbox.create('web1', '--extra-disk', '1');
  await fillUp(0);
  small.fill(0);
  const { code, stdout, seconds } = await sandbox.run('stop', ['web1']);
  assert.deepEqual([code, /^VM web1 is off/.test(stdout)], [0, true], stdout);
  assert.ok(seconds < 30, `${seconds} s of 45`);
  small.clear();
  await sandbox.ok('start', ['web1']);
  await sandbox.ok('destroy', ['web1']);
});
