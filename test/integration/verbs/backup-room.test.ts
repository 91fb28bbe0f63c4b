import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { kill } from '../../../src/host/process.ts';
import { poll } from '../../../src/host/time.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { gone, processesOf } from '../../../src/vm/end-qemu.ts';
import { audit } from '../../support/audit/audit.ts';
import { assertHoldsDisks, beginSlowBackup } from '../../support/backup.ts';
import { childrenOf } from '../../support/children.ts';
import { type Injected, runInjected } from '../../support/inject/injected.ts';
import { type Finished, programFile, Running } from '../../support/program.ts';
import { SmallDisk } from '../../support/small-disk.ts';
import { removeTree } from '../../support/temporary.ts';

const small = await SmallDisk.make(600);
const { sandbox } = small;
const elsewhere = fs.mkdtempSync(path.join(os.tmpdir(), 'bv-to-'));
after(() => removeTree(elsewhere));
const file = (name: string): string => path.join(elsewhere, name);
const chain: string[] = [];

before(() => sandbox.create('web1', '--extra-disk', '1'));
afterEach(() => small.clear());

/** Megabytes of the further disk that a backup copies first, and after minutes. */
const NEAR = 0;
const FAR = 960;

/** The guest writes 24 MB in the background, over what it wrote before at this megabyte, and knows them again. */
const write = (
  at: number,
) => `head -c 4194304 /dev/urandom >/tmp/noise; sha256sum </tmp/noise >/tmp/sum; rm -f /tmp/done
setsid sh -c 'for i in 0 1 2 3 4 5; do dd if=/tmp/noise of=/dev/vdc bs=1M seek=$((${at} + i * 4)) conv=notrunc,fsync || exit; done; touch /tmp/done' </dev/null >/tmp/said 2>&1 &`;
const read = (at: number) => `[ -e /tmp/done ] || exit 1; echo 3 >/proc/sys/vm/drop_caches
for i in 0 1 2 3 4 5; do dd if=/dev/vdc bs=1M skip=$((${at} + i * 4)) count=4 2>/dev/null | sha256sum | cmp - /tmp/sum || exit 2; done; cat /tmp/said`;

/** The guest has written it all, without an error, and reads it back. */
async function writtenWell(at: number): Promise<void> {
  const look = async (): Promise<string | undefined> => {
    const { code, stdout } = await sandbox.run('guest-exec', ['web1', read(at)]);
    assert.notEqual(code, 2, `the disk does not hold what was written: ${stdout}`);
    return code === 0 ? stdout : undefined;
  };
  const said = await poll(look, { deadlineMs: 120_000, everyMs: 300 });
  assert.doesNotMatch(said ?? 'it never ends', /error|never/i);
}

const qemuStatus = (deadlineMs: number): Promise<string> =>
  withQmp(sandbox.files('web1').probe, async (qmp) => (await qmp.execute('query-status')).status, {
    deadlineMs,
  });

async function pausedByFailedWrite(): Promise<void> {
  const look = async (): Promise<true | undefined> =>
    (await qemuStatus(10_000)) === 'io-error' ? true : undefined;
  assert.ok(await poll(look, { deadlineMs: 60_000, everyMs: 100 }), 'the guest is not paused');
}

/** Stops it where it does not hold QEMU's monitor. */
async function stop({ child }: Running): Promise<void> {
  const stopped = async (): Promise<true | undefined> => {
    child.kill('SIGSTOP');
    try {
      await qemuStatus(3000);
      return true;
    } catch {
      child.kill('SIGCONT');
      return undefined;
    }
  };
  assert.ok(await poll(stopped, { deadlineMs: 60_000, everyMs: 70 }), 'it cannot be stopped');
}

/** It says why in one line, and leaves nothing. */
async function failedCleanly({ code, stdout, stderr }: Finished, why: RegExp): Promise<void> {
  assert.deepEqual([code, stdout], [1, ''], stderr);
  assert.match(stderr, why);
  assert.equal(stderr.trim().split('\n').length, 1, stderr);
  const { state, run } = sandbox.config.paths;
  assert.deepEqual(await audit({ state, run }), []);
  assert.deepEqual(fs.readdirSync(elsewhere).sort(), [...chain].sort());
}

async function backup(...more: string[]): Promise<void> {
  const name = `b${chain.length}`;
  await sandbox.ok('backup', ['web1', '--to', file(name), ...more]);
  chain.push(name);
}

async function copiedUpTo(megabytes: number): Promise<void> {
  const bytes = megabytes * 1024 ** 2;
  const look = async (): Promise<true | undefined> => {
    const jobs = await withQmp(sandbox.files('web1').probe, (qmp) => qmp.execute('query-jobs'));
    return jobs.every((job) => job['current-progress'] >= bytes) ? true : undefined;
  };
  assert.ok(await poll(look, { deadlineMs: 60_000, everyMs: 200 }), 'it is not copied');
}

/** The disk fills while a backup runs that notices only when the guest has been paused for it. */
async function fullMeanwhile(
  left: number,
  at: number,
  env: NodeJS.ProcessEnv = {},
): Promise<Finished> {
  const running = await beginSlowBackup(sandbox, 'web1', file('new'), {
    env,
    rate: at === NEAR ? 16 : 8,
  });
  // What the disks hold near their beginning is copied by then, so that only the guest's writes need room.
  if (at !== NEAR) await copiedUpTo(128);
  // Its file systems are at rest until the copying has begun.
  await sandbox.shOnDisk('web1', 'true');
  await stop(running);
  small.fill(left);
  // It may be paused before its agent has answered.
  await sandbox.run('guest-exec', ['web1', write(at)]);
  await pausedByFailedWrite();
  running.child.kill('SIGCONT');
  return await running.done;
}

test('when the disk fills up the backup is given up, and the guest goes on with its room', async () => {
  await backup();
  await failedCleanly(
    await fullMeanwhile(8, NEAR),
    /: only \d+ MB are free in \S+: the backup is given/,
  );
  await writtenWell(NEAR);
  small.clear();
  await backup('--incremental');
});

test('so it is where no room can be reserved: what the guest overwrites finds no place', async () => {
  // Nothing that the guest overwrites during the backup has been copied by then, and all of it is allocated.
  await sandbox.ok('guest-exec', ['web1', write(FAR)]);
  await writtenWell(FAR);
  // As on a file system that has no fallocate(2).
  const tools = path.join(elsewhere, 'bin');
  fs.mkdirSync(tools);
  fs.writeFileSync(path.join(tools, 'fallocate'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const env = { PATH: `${tools}:${process.env.PATH}` };
  const failed = await fullMeanwhile(2, FAR, env);
  fs.rmSync(tools, { recursive: true });
  await failedCleanly(failed, /: only \d+ MB are free in \S+: the backup is given/);
  await writtenWell(FAR);
  small.clear();
  await backup('--incremental');
});

test('on a disk that is nearly or quite full it is refused with the numbers', async () => {
  for (const left of [200, 0]) {
    small.fill(left);
    await failedCleanly(
      await sandbox.run('backup', ['web1', '--to', file('new')]),
      /: only \d+ MB are free in \S+, a backup of the running VM needs \d{3} MB; free some space|the file system of \S+ is full; free some space/,
    );
  }
});

/** Of a VM that is off, stopped at a point of it while the disk is filled to the last byte. */
async function fullAt(point: string): Promise<Injected> {
  const argv = ['backup', 'web1', '--incremental', '--to', file('new')];
  const run = runInjected(sandbox, argv, { point, how: 'stop' });
  const pid = await poll(() => childrenOf('T')[0], { deadlineMs: 60_000, everyMs: 20 });
  assert.ok(pid !== undefined, 'it does not come to that point');
  small.fill(0);
  process.kill(pid, 'SIGCONT');
  return await run;
}

test('a backup of a VM that is off, tried on a full disk, leaves the chain as it was', async () => {
  await backup('--incremental');
  await sandbox.ok('stop', ['web1']);
  const refused =
    /: only \d+ MB are free in \S+, what tells one backup from the next needs \d+ MB; free/;
  for (const more of [['--incremental'], []]) {
    small.fill(0);
    await failedCleanly(
      await sandbox.run('backup', ['web1', '--to', file('new'), ...more]),
      refused,
    );
    small.clear();
  }
  await backup('--incremental');
  // Full only when its disks are being read, and when all that is missing is the file's name.
  const late = await fullAt('run setpriv');
  small.clear();
  await failedCleanly(late, refused);
  await backup('--incremental');
});

test('so it does when its own file fills the disk, and the file goes', async () => {
  await sandbox.ok('start', ['web1']);
  await sandbox.shOnDisk('web1', 'true');
  await sandbox.ok('guest-exec', ['web1', write(NEAR)]);
  await writtenWell(NEAR);
  await sandbox.ok('stop', ['web1']);
  small.fill(20);
  const to = path.join(sandbox.state, 'here');
  await failedCleanly(
    await sandbox.run('backup', ['web1', '--incremental', '--to', to]),
    /here\S* cannot be written: its file system is full; make room there/,
  );
  small.clear();
  await backup('--incremental');
});

test('what one that was killed has left on a disk that is full now waits there for room', async () => {
  const argv = ['backup', 'web1', '--incremental', '--to', path.join(sandbox.state, 'here')];
  const point = 'link here.RANDOM.part -> here';
  const { reached } = await runInjected(sandbox, argv, { point, how: 'kill' });
  assert.ok(reached);
  small.fill(0);
  const { stdout, stderr } = await sandbox.run('gc', ['--execute']);
  assert.match(stderr, /what an earlier backup left is still there: only \d+ MB are free/);
  assert.equal(stdout, 'nothing to collect\n');
  assert.match((await repaired()).stdout, /a backup of it died half-way; repairing it failed: /);
  small.clear();
  await backup('--incremental');
  await failedCleanly(await sandbox.run('backup', ['web1', '--to', file('b0')]), /exists already/);
});

/** What `doctor --repair` says. */
const repaired = (): Promise<Finished> =>
  new Running([programFile('blockhost-qemu'), 'doctor', '--repair'], { env: sandbox.env }).done;

test('a restore that would not fit is refused with the numbers before anything is made', async () => {
  const full = chain.slice(0, 1).map(file);
  small.fill(258);
  const state = path.join(path.dirname(sandbox.state), 'never', 'made');
  const env = { BLOCKHOST_QEMU_STATE_DIR: state };
  const { code, stderr } = await sandbox.run('restore', [...full, 'web2'], { env });
  assert.match(stderr, /: only \d+ MB are free in \S+, VM web2 needs \d+ MB; free some space/);
  assert.equal(code, 1);
  assert.ok(!fs.existsSync(path.dirname(state)));
});

test('increments of a VM that is off, made after all that, hold what its disks hold', async () => {
  await assertHoldsDisks(sandbox, 'web1', chain.map(file));
});

test('what a killed backup of a killed QEMU has copied is the first that goes on a full disk', async () => {
  await sandbox.ok('start', ['web1']);
  const running = await beginSlowBackup(sandbox, 'web1', file('new'));
  running.child.kill('SIGKILL');
  await running.done;
  const qemu = processesOf(sandbox.files('web1'));
  kill(qemu);
  assert.ok(await gone(qemu, 60_000), 'QEMU does not end');
  small.fill(0);
  assert.match(await sandbox.ok('gc', ['--execute']), /^VM web1 is tidied up/m);
  const { state, run } = sandbox.config.paths;
  assert.deepEqual(await audit({ state, run }), []);
});
