import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, test } from 'node:test';
import { assertHoldsDisks } from '../../support/backup.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
const file = (name: string): string => `${sandbox.state}.${name}`;
const backup = (to: string, ...more: string[]): Promise<string> =>
  sandbox.ok('backup', ['web1', '--to', file(to), ...more]);

/** Files named by the checksum of what they hold. */
const WRITE = `mkdir -p /data/sums; cd /data/sums; i=0; while [ $i -lt 10 ]; do i=$((i+1))
  head -c 70000 /dev/urandom >new; mv new $(sha256sum <new | cut -c1-64); done; sync; ls`;
const READ =
  'cd /data/sums && sha256sum * | while read -r sum name; do [ $sum = $name ] && echo $sum; done; :';
/** Writes to both disks until /run/busy is gone. */
const BUSY = `touch /run/busy
(while [ -e /run/busy ]; do
  head -c 1000000 /dev/urandom >/data/busy; sync
  head -c 1000000 /dev/urandom >/dev/vdc; sync
done) >/dev/null 2>&1 &`;

test('a VM that runs is backed up while its guest writes, goes on through a stop, and is restored', async () => {
  await sandbox.create('web1', '--extra-disk', '1');
  const first = await sandbox.shOnDisk('web1', WRITE);
  await sandbox.shOnDisk('web1', BUSY);
  assert.match(await backup('full'), /\(complete, \d+ MB, file systems at rest\)/);
  const second = await sandbox.shOnDisk('web1', WRITE);
  await sandbox.sh('web1', 'mood agent-absent');
  await sandbox.agentIs('web1', false);
  const piped = await sandbox.run('backup', ['web1', '--incremental', '--to', '-']);
  assert.equal(piped.code, 0, piped.stderr);
  assert.match(piped.stderr, /\(increment 1, \d+ MB, as after a crash\)/);
  fs.writeFileSync(file('inc1'), piped.stdoutBytes);
  await sandbox.ok('stop', ['web1']);
  assert.match(await backup('inc2', '--incremental'), /\(increment 2, \d+ MB, off\)/);
  await assertHoldsDisks(sandbox, 'web1', ['full', 'inc1', 'inc2'].map(file));
  await sandbox.ok('start', ['web1']);
  await sandbox.shOnDisk('web1', 'echo four >/data/note; sync');
  assert.match(await backup('inc3', '--incremental', '--rate', '500'), /\(increment 3, /);
  const size = (name: string): number => fs.statSync(file(name)).size;
  assert.ok(size('inc3') < size('full'), `${size('inc3')} bytes, ${size('full')} bytes`);
  assert.equal(fs.existsSync(sandbox.files('web1').fleece), false);
  await sandbox.ok('kill', ['web1']);
  const all = ['full', 'inc1', 'inc2', 'inc3'].map(file);
  await sandbox.ok('restore', [...all, 'web2']);
  assert.equal(await sandbox.shOnDisk('web2', `cat /data/note; ${READ}`), `four\n${second}`);
  await sandbox.ok('kill', ['web2']);
  await sandbox.ok('restore', [file('full'), 'web3']);
  assert.equal(await sandbox.shOnDisk('web3', READ), first);
});

test('an increment is refused when it is not known what was written since', async () => {
  const refused = async (): Promise<void> => {
    const { code, stderr } = await sandbox.run('backup', [
      'web1',
      '--incremental',
      '--to',
      file('no'),
    ]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /what was written since its last backup is not known .*run backup without --incremental/,
    );
    assert.equal(fs.existsSync(file('no')), false);
  };
  await sandbox.ok('snapshot', ['create', 'web1', 's1']);
  await backup('again');
  await sandbox.ok('snapshot', ['restore', 'web1', 's1']);
  await refused();
});

test('files that are damaged or in the wrong order make no VM', async () => {
  const full = fs.readFileSync(file('full'));
  const flipped = Buffer.from(full);
  const middle = Math.floor(full.length / 2);
  flipped.writeUInt8(flipped.readUInt8(middle) ^ 1, middle);
  fs.writeFileSync(file('flipped'), flipped);
  fs.writeFileSync(file('short'), full.subarray(0, -1));
  for (const [names, expected] of [
    [['flipped'], /is damaged/],
    [['short'], /is not complete: its end is missing/],
    [['full', 'inc2', 'inc1'], /does not continue/],
    [['inc1'], /is an increment of .*name the complete backup first/],
  ] as const) {
    const { code, stderr } = await sandbox.run('restore', [...names.map(file), 'web9']);
    assert.equal(code, 1);
    assert.match(stderr, expected);
    assert.equal(fs.existsSync(sandbox.files('web9').directory), false);
  }
});
