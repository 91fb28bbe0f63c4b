import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { poll } from '../../../src/host/time.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { audit } from '../../support/audit/audit.ts';
import { assertHoldsDisks, beginSlowBackup } from '../../support/backup.ts';
import type { Finished, Running } from '../../support/program.ts';
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

/** The guest writes 24 MB in the background, over what it wrote before, and knows them again. */
const WRITE = `head -c 4194304 /dev/urandom >/tmp/noise; sha256sum </tmp/noise >/tmp/sum; rm -f /tmp/done
setsid sh -c 'for i in 0 1 2 3 4 5; do dd if=/tmp/noise of=/dev/vdc bs=1M seek=$((i * 4)) conv=notrunc,fsync || exit; done; touch /tmp/done' </dev/null >/tmp/said 2>&1 &`;
const READ = `[ -e /tmp/done ] || exit 1; echo 3 >/proc/sys/vm/drop_caches
for i in 0 1 2 3 4 5; do dd if=/dev/vdc bs=1M skip=$((i * 4)) count=4 2>/dev/null | sha256sum | cmp - /tmp/sum || exit 2; done; cat /tmp/said`;

/** The guest has written it all, without an error, and reads it back. */
async function writtenWell(): Promise<void> {
  const read = async (): Promise<string | undefined> => {
    const { code, stdout } = await sandbox.run('guest-exec', ['web1', READ]);
    assert.notEqual(code, 2, `the disk does not hold what was written: ${stdout}`);
    return code === 0 ? stdout : undefined;
  };
  const said = await poll(read, { deadlineMs: 120_000, everyMs: 300 });
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

/** The disk fills while a backup runs that notices only when the guest has been paused for it. */
async function fullMeanwhile(left: number): Promise<Finished> {
  const running = await beginSlowBackup(sandbox, 'web1', file('new'));
  // Its file systems are at rest until the copying has begun.
  await sandbox.shOnDisk('web1', 'true');
  await stop(running);
  small.fill(left);
  // It may be paused before its agent has answered.
  await sandbox.run('guest-exec', ['web1', WRITE]);
  await pausedByFailedWrite();
  running.child.kill('SIGCONT');
  return await running.done;
}

test('when the disk fills up the backup is given up, and the guest goes on with its room', async () => {
  await backup();
  await failedCleanly(await fullMeanwhile(8), /: only \d+ MB are free in \S+: the backup is given/);
  await writtenWell();
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

test('the next complete backup holds what the disks hold, also of a VM that is off', async () => {
  await backup('--incremental');
  await sandbox.ok('stop', ['web1']);
  small.fill(0);
  const { code, stderr } = await sandbox.run('backup', ['web1', '--to', file('new')]);
  assert.equal(code, 1, stderr);
  small.clear();
  await backup();
  await assertHoldsDisks(sandbox, 'web1', chain.slice(-1).map(file));
});
