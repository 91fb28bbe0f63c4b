import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { poll } from '../../../src/host/time.ts';
import { parseVmName } from '../../../src/types.ts';
import { audit } from '../../support/audit/audit.ts';
import { beginSlowBackup } from '../../support/backup.ts';
import { runInjected } from '../../support/inject/injected.ts';
import type { Finished, Running } from '../../support/program.ts';
import { programFile } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
const base = path.dirname(sandbox.state);
const file = (name: string): string => path.join(base, name);
const { paths } = sandbox.config;
let increments = 0;

before(async () => {
  await sandbox.create('web1', '--extra-disk', '1');
  await sandbox.ok('backup', ['web1', '--to', file('full')]);
});

const begun = (to: string): Promise<Running> => beginSlowBackup(sandbox, 'web1', to);

/** The guest goes on, nothing is left, and the chain stands where it stood. */
async function asBefore(): Promise<void> {
  await sandbox.shOnDisk('web1', 'echo on >/data/note; sync');
  const { state, run } = paths;
  assert.deepEqual(await audit({ state, run }), []);
  assert.deepEqual(
    fs.readdirSync(base).filter((name) => name.includes('part') || name === 'new'),
    [],
  );
  const to = file(`inc${++increments}`);
  const said = await sandbox.ok('backup', ['web1', '--incremental', '--to', to]);
  assert.match(said, new RegExp(`\\(increment ${increments}, `));
}

function failed({ code, stderr }: Finished, expected: RegExp): void {
  assert.equal(code, 1);
  assert.match(stderr, expected);
}

test('a backup that is killed is tidied up by gc', async () => {
  const running = await begun(file('new'));
  running.child.kill('SIGKILL');
  await running.done;
  assert.match(await sandbox.ok('gc', ['--execute']), /web1/);
  await asBefore();
});

async function killedWhileFrozen(): Promise<void> {
  const point = 'ask qga.sock guest-fsfreeze-freeze';
  const words = ['backup', 'web1', '--to', file('new')];
  const { reached } = await runInjected(sandbox, words, { point, how: 'kill after' });
  assert.ok(reached);
  const refused = await sandbox.run('guest-exec', ['web1', 'true']);
  assert.notEqual(refused.code, 0, 'it is not frozen');
  assert.match(
    await sandbox.ok('explain', ['web1']),
    /a backup of it died half-way: the next verb/,
  );
}

test('a guest that a killed backup has frozen goes on after gc', async () => {
  await killedWhileFrozen();
  await sandbox.ok('gc', ['--execute']);
  await asBefore();
});

test('it goes on after the next backup too, even if that one is refused', async () => {
  await killedWhileFrozen();
  failed(await sandbox.run('backup', ['web1', '--to', '/nonexistent/new']), /nonexistent/);
  await asBefore();
});

test('one that is interrupted leaves nothing, and neither does one that nobody reads', async () => {
  const running = await begun(file('new'));
  running.child.kill('SIGINT');
  failed(await running.done, /interrupted by SIGINT/);
  await asBefore();
  const piped = sandbox.begin('backup', ['web1', '--to', '-']);
  piped.child.stdout?.pause();
  const reads = (): true | undefined =>
    fs.existsSync(paths.imageServer(parseVmName('web1'))) ? true : undefined;
  assert.ok(await poll(reads, { deadlineMs: 60_000, everyMs: 5 }), 'nothing is written');
  piped.child.kill('SIGTERM');
  piped.child.stdout?.resume();
  failed(await piped.done, /interrupted by SIGTERM/);
  await asBefore();
});

const words = [programFile('blockhost-vm-backup'), 'web1', '--to'].join(' ');
const shell = (script: string): Promise<Finished> =>
  sandbox.begin('backup', [], { prefix: ['unshare', '-m', 'sh', '-c', script, 'sh'] }).done;

test('a reader that goes away, or a disk that is full, ends it', async () => {
  failed(
    await shell(
      `{ ${words} - ; echo $? >${file('code')}; } | head -c 1000 >/dev/null; exit $(cat ${file('code')})`,
    ),
    /stdout cannot be written/,
  );
  await asBefore();
  const small = file('small');
  fs.mkdirSync(small);
  const full = await shell(`mount -t tmpfs -o size=2m none ${small} && ${words} ${small}/new`);
  failed(full, /its file system is full/);
  await asBefore();
});

test('nor does one succeed whose stdout is closed, or whose folder has gone away', async () => {
  for (const nowhere of ['&-', '/dev/null'])
    failed(await shell(`${words} - >${nowhere}`), /: stdout is closed, or is \/dev\/null: /);
  await asBefore();
  const folder = file('gone');
  fs.mkdirSync(folder);
  const running = await beginSlowBackup(sandbox, 'web1', path.join(folder, 'new'), { rate: 128 });
  fs.rmSync(folder, { recursive: true });
  failed(await running.done, /^blockhost-vm-backup: "\S+\/gone\/new" cannot be written: ENOENT/);
  await asBefore();
});

test('when QEMU is killed meanwhile it fails, and the next one has to be complete', async () => {
  const running = await begun(file('new'));
  process.kill(sandbox.pid('web1'), 'SIGKILL');
  failed(await running.done, /QEMU ended while its disks were backed up/);
  assert.equal(fs.existsSync(file('new')), false);
  await sandbox.ok('start', ['web1']);
  const { state, run } = paths;
  assert.deepEqual(await audit({ state, run }), []);
  failed(
    await sandbox.run('backup', ['web1', '--incremental', '--to', file('new')]),
    /is not known .*run backup without --incremental/,
  );
  await sandbox.ok('backup', ['web1', '--to', file('new')]);
});
