import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { isLockHeld } from '../../../src/host/lock-held.ts';
import { poll } from '../../../src/host/time.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { asEngine } from '../host/engine.ts';
import { TINY, tinyTemplate } from '../suite/tiny-template.ts';
import { type Caller, verb } from '../suite/verbs.ts';

// Backups by root on a host with BlockHost's database, whose verbs are run by its user.

const root: Caller = { as: (argv) => argv, who: 'root' };
const engine: Caller = { as: asEngine, who: 'engine' };
const LOCKS = '/var/lib/blockhost/qemu/locks';
const BACKUP_LOCK = '/var/lib/blockhost-qemu/locks/.backup-web1.lock';
const STATE = '/var/lib/blockhost-qemu/vms/web1';
/** Closed to everybody but root. */
const FOLDER = '/root/backups';
const file = (name: string): string => `${FOLDER}/${name}`;

const WRITE = `mkdir -p /data/sums; cd /data/sums; for i in 1 2 3 4; do
  head -c 70000 /dev/urandom >new; mv new $(sha256sum <new | cut -c1-64); done; sync; ls`;
const READ =
  'cd /data/sums && sha256sum * | while read -r sum name; do [ $sum = $name ] && echo $sum; done; :';

async function ok(caller: Caller, name: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await verb(caller, name, ...args);
  assert.equal(code, 0, `${caller.who}: ${name}: ${stderr}`);
  return stdout.trimEnd();
}

/** What the guest says once its disk is mounted. */
async function onDisk(vm: string, script: string): Promise<string> {
  const attempt = async (): Promise<string | undefined> => {
    const words = `grep -q ' /data ' /proc/mounts || exit 1\n${script}`;
    const { code, stdout } = await verb(root, 'guest-exec', vm, words);
    return code === 0 ? stdout.trimEnd() : undefined;
  };
  const said = await poll(attempt, { deadlineMs: 120_000, everyMs: 200 });
  assert.ok(said !== undefined, `${vm} does not do ${script}`);
  return said;
}

/** A backup that has begun and takes a minute. */
async function begun(to: string) {
  const words = ['web1', '--to', to, '--rate', '16'];
  const child = spawn('blockhost-vm-backup', words, { stdio: ['ignore', 'ignore', 'inherit'] });
  const done = once(child, 'close');
  const copies = async (): Promise<true | undefined> => {
    assert.equal(child.exitCode, null, 'it ended');
    const look = { deadlineMs: 10_000 };
    const jobs = await withQmp(
      '/run/blockhost-qemu/web1/probe.sock',
      (qmp) => qmp.execute('query-jobs'),
      look,
    );
    return jobs.some((job) => job['current-progress'] > 0) ? true : undefined;
  };
  assert.ok(await poll(copies, { deadlineMs: 60_000, everyMs: 50 }), 'nothing is copied');
  return { child, done };
}

/** Nothing is left of a backup, and what BlockHost's user needs belongs to it. */
function nothingIsLeft(): void {
  assert.equal(fs.existsSync(`${STATE}/backup`), false);
  assert.equal(fs.existsSync(BACKUP_LOCK), false);
  assert.deepEqual(
    fs.readdirSync(FOLDER).filter((name) => name.endsWith('.part')),
    [],
  );
  const { uid } = fs.statSync('/var/lib/blockhost');
  for (const name of fs.readdirSync(LOCKS)) assert.equal(fs.statSync(`${LOCKS}/${name}`).uid, uid);
}

let first = '';
let second = '';

before(async () => {
  await tinyTemplate();
  fs.mkdirSync(FOLDER, { mode: 0o700 });
  await ok(engine, 'create', 'web1', ...TINY, '--owner-wallet', '0x1234', '--apply');
});

after(async () => {
  for (const name of ['web1', 'web2']) await verb(root, 'destroy', name);
});

test('root backs up a VM that runs; the user of BlockHost is told that root does', async () => {
  first = await onDisk('web1', WRITE);
  assert.match(await ok(root, 'backup', 'web1', '--to', file('full')), /\(complete, \d+ MB, /);
  const { uid, mode } = fs.statSync(file('full'));
  assert.deepEqual([uid, mode & 0o777], [0, 0o600]);
  for (const words of [
    ['backup', 'web1', '--to', '/var/lib/blockhost/x'],
    ['restore', file('full'), 'web2'],
  ] as const) {
    const [name, ...args] = words;
    const { code, stderr } = await verb(engine, name, ...args);
    assert.equal(code, 1);
    assert.match(stderr, /is not available to BlockHost's user; run it as root$/);
  }
  nothingIsLeft();
});

test('an increment goes to a pipe, in turn with verbs of the user of BlockHost', async () => {
  second = await onDisk('web1', WRITE);
  const holder = spawn(
    'setpriv',
    [
      '--reuid=blockhost',
      '--regid=blockhost',
      '--init-groups',
      'flock',
      `${LOCKS}/web1.lock`,
    ].concat(['sh', '-c', 'echo held; exec sleep 3']),
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const released = once(holder, 'close').then(() => performance.now());
  await once(holder.stdout, 'data');
  const script = `blockhost-vm-backup web1 --incremental --to - >${file('inc1')}`;
  const { stderr } = await run(
    'sh',
    ['-c', `${script}.whole && cat ${file('inc1.whole')} | cat >${file('inc1')}`],
    { timeoutMs: 120_000 },
  );
  assert.match(stderr, /\(increment 1, \d+ MB, /);
  assert.ok((await released) < performance.now(), 'it did not wait for its turn');
  nothingIsLeft();
});

test('while one copies, verbs of the user of BlockHost go on; another backup does not', async () => {
  const { child, done } = await begun(file('slow'));
  await ok(engine, 'throttle', 'web1', '--iops-read', '10000');
  const { code, stderr } = await verb(root, 'backup', 'web1', '--to', file('other'));
  assert.equal(code, 1);
  assert.match(stderr, /VM web1 is in use by backup of web1/);
  child.kill('SIGINT');
  assert.deepEqual(await done, [1, null]);
  nothingIsLeft();
});

test('what one has left that is killed, the next verb of the user of BlockHost ends', async () => {
  const { child, done } = await begun(file('killed'));
  child.kill('SIGKILL');
  await done;
  const free = async (): Promise<true | undefined> =>
    (await isLockHeld(BACKUP_LOCK)) ? undefined : true;
  assert.ok(await poll(free, { deadlineMs: 60_000, everyMs: 20 }), 'its root side goes on');
  const { stdout, stderr } = await verb(engine, 'stop', 'web1');
  assert.match(stderr, /an earlier backup of web1 was interrupted: cleaning up/);
  assert.match(stdout, /is off/, stderr);
  nothingIsLeft();
  assert.match(
    await ok(root, 'backup', 'web1', '--incremental', '--to', file('inc2')),
    /\(increment 2, \d+ MB, off\)/,
  );
});

test('root restores it as a new VM of BlockHost, with all that its guest had written', async () => {
  const files = ['full', 'inc1', 'inc2'].map(file);
  const refused = await verb(root, 'restore', ...files, 'web2');
  assert.match(refused.stderr, /a VM of BlockHost needs the wallet of its owner/);
  const words = [...files, 'web2', '--owner-wallet', '0x5678', '--memory', '96'];
  assert.match(await ok(root, 'restore', ...words), /VM web2 is restored \(address 192\.0\.2\./);
  const sums = (text: string): string[] => text.split('\n').sort();
  assert.deepEqual(sums(await onDisk('web2', READ)), sums(second));
  for (const sum of first.split('\n')) assert.ok(second.includes(sum));
  assert.match(await ok(engine, 'list'), /^web2\tactive\t/m);
  const database = '/var/lib/blockhost/vms.json';
  const { wallet_address, ip_address } = JSON.parse(fs.readFileSync(database, 'utf8')).vms.web2;
  assert.equal(wallet_address, '0x5678');
  assert.match(ip_address, /^192\.0\.2\./);
  assert.equal(fs.statSync(database).uid, fs.statSync('/var/lib/blockhost').uid);
});
