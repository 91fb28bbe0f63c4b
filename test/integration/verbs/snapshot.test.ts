import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import { parseVmName } from '../../../src/types.ts';
import { childrenOf } from '../../support/children.ts';
import { runInjected } from '../../support/inject/injected.ts';
import { leakCluster } from '../../support/leak-cluster.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
before(() => sandbox.create('web1', '--extra-disk', '1'));

const inspect = async (name = 'web1') => JSON.parse(await sandbox.ok('inspect', [name]));
const write = (text: string) => sandbox.sh('web1', `echo ${text} >/data/note; sync`);

async function up(): Promise<void> {
  await sandbox.ok('start', ['web1']);
  await sandbox.shOnDisk('web1', ':');
}

test('inspect describes a running VM', async () => {
  const vm = await inspect();
  assert.equal(vm.state, 'running');
  assert.equal(vm.qemu_status, 'running');
  assert.deepEqual(vm.addresses, ['10.0.2.15']);
  assert.equal(vm.ssh.port, vm.network.ssh_port);
  assert.deepEqual([vm.vcpus, vm.memory_mb, vm.disk_bytes], [1, 128, 1024 ** 3]);
  assert.deepEqual(vm.extra_disks, [1024 ** 3]);
  assert.match(vm.mac, /^52:54:00(:[0-9a-f]{2}){3}$/);
  const all = JSON.parse(await sandbox.ok('inspect'));
  // The guest goes on writing meanwhile.
  const { disk_used_bytes, ...still } = vm;
  assert.ok(all.vms[0].disk_used_bytes >= disk_used_bytes);
  delete all.vms[0].disk_used_bytes;
  assert.deepEqual(all, { template: null, vms: [still] });
});

test('inspect of what is not there is absent, of a QEMU that hangs unknown', async () => {
  assert.equal((await inspect('web7')).state, 'absent');
  process.kill(sandbox.pid('web1'), 'SIGSTOP');
  try {
    const { state, reason } = await inspect();
    assert.deepEqual([state, reason], ['unknown', 'QEMU is alive but does not answer']);
  } finally {
    process.kill(sandbox.pid('web1'), 'SIGCONT');
  }
});

test('while nobody can tell whether the guest runs, no snapshot is begun', async () => {
  process.kill(sandbox.pid('web1'), 'SIGSTOP');
  try {
    const { code, stderr } = await sandbox.run('snapshot', ['create', 'web1', 'unsure']);
    assert.equal(code, 1);
    assert.match(stderr, /VM web1: its QEMU does not say whether the guest runs; nothing was/);
    assert.ok(!fs.existsSync(sandbox.config.paths.journal(parseVmName('web1'))));
  } finally {
    process.kill(sandbox.pid('web1'), 'SIGCONT');
  }
});

test('inspect of a VM in the making is preparing; of one whose create died, unknown', async () => {
  const making = sandbox.begin('create', ['web2', ...sandbox.tiny, '--apply']);
  await making.says(/QEMU runs/);
  assert.equal((await inspect('web2')).state, 'preparing');
  making.child.kill('SIGKILL');
  await making.done;
  const { state, interrupted } = await inspect('web2');
  assert.deepEqual([state, interrupted], ['unknown', 'create']);
  await sandbox.ok('destroy', ['web2']);
  assert.equal((await inspect('web2')).state, 'absent');
});

test('inspect of a damaged VM is unknown with the reason', async () => {
  const { config } = sandbox.files('web1');
  fs.renameSync(config, `${config}.away`);
  fs.writeFileSync(config, '{}');
  const { state, reason } = await inspect();
  fs.renameSync(`${config}.away`, config);
  assert.equal(state, 'unknown');
  assert.match(reason, /vm\.json is damaged/);
});

test('pause halts the guest, start lets it go on', async () => {
  assert.equal(await sandbox.ok('pause', ['web1']), 'VM web1 is paused\n');
  assert.equal(await sandbox.ok('pause', ['web1']), 'VM web1 is paused already\n');
  assert.equal((await inspect()).state, 'paused');
  await sandbox.ok('start', ['web1']);
  assert.equal((await inspect()).state, 'running');
});

test('a snapshot of a running guest is taken with its file systems at rest', async () => {
  await write('one');
  assert.equal(
    await sandbox.ok('snapshot', ['create', 'web1', 'live1']),
    'snapshot live1 of VM web1 is made (file systems at rest)\n',
  );
  assert.equal((await inspect()).state, 'running');
  await write('two');
  assert.equal(await sandbox.sh('web1', 'cat /data/note'), 'two');
});

test('a snapshot of a guest without an agent is taken as it is', async () => {
  await sandbox.sh('web1', 'mood agent-absent 5');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.equal(
    await sandbox.ok('snapshot', ['create', 'web1', 'live2']),
    'snapshot live2 of VM web1 is made (as after a crash)\n',
  );
});

test('snapshots are listed, and deleted while the VM runs', async () => {
  const names = async () =>
    JSON.parse(await sandbox.ok('snapshot', ['list', 'web1', '--json'])).map(
      (entry: { name: string }) => entry.name,
    );
  assert.deepEqual(await names(), ['live1', 'live2']);
  assert.equal(
    await sandbox.ok('snapshot', ['delete', 'web1', 'live2']),
    'snapshot live2 of VM web1 is deleted\n',
  );
  assert.deepEqual(await names(), ['live1']);
});

/** A verb that has asked for a snapshot `large`, and a QEMU that answers nobody meanwhile. */
async function busyWithSnapshot(): Promise<{
  running: ReturnType<typeof runInjected>;
  verb: number;
  qemu: number;
}> {
  const point = 'ask qmp.sock blockdev-snapshot-internal-sync';
  const argv = ['snapshot', 'create', 'web1', 'large'];
  const running = runInjected(sandbox, argv, { point, how: 'stop' });
  const verb = await poll(() => childrenOf('T')[0], { deadlineMs: 60_000, everyMs: 20 });
  assert.ok(verb !== undefined, 'it does not come to that point');
  const qemu = sandbox.pid('web1');
  process.kill(qemu, 'SIGSTOP');
  process.kill(verb, 'SIGCONT');
  return { running, verb, qemu };
}

test('a snapshot of a disk so large that QEMU is busy with it for long is waited for', async () => {
  const { running, qemu } = await busyWithSnapshot();
  // Longer than other commands may take.
  await new Promise((resolve) => setTimeout(resolve, 6500));
  process.kill(qemu, 'SIGCONT');
  const { code, stderr } = await running;
  assert.equal(code, 0, stderr);
  assert.equal((await inspect()).state, 'running');
  await sandbox.ok('snapshot', ['delete', 'web1', 'large']);
});

test('one that takes too long can be interrupted, and its guest goes on', async () => {
  const { running, verb, qemu } = await busyWithSnapshot();
  // It has asked by now, and waits.
  await new Promise((resolve) => setTimeout(resolve, 500));
  process.kill(verb, 'SIGINT');
  // Longer than other commands may take, and before the end of its patience.
  await new Promise((resolve) => setTimeout(resolve, 6500));
  process.kill(qemu, 'SIGCONT');
  const { code, stderr } = await running;
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^blockhost-qemu snapshot: interrupted by SIGINT\n$/);
  assert.equal((await inspect()).state, 'running');
  assert.doesNotMatch(await sandbox.ok('snapshot', ['list', 'web1']), /large/);
});

test('restore needs the VM to be off, and brings the disk back', async () => {
  const running = await sandbox.run('snapshot', ['restore', 'web1', 'live1']);
  assert.match(running.stderr, /VM web1 is running: a snapshot is restored when it is off/);
  await sandbox.ok('stop', ['web1']);
  assert.equal(
    await sandbox.ok('snapshot', ['restore', 'web1', 'live1']),
    'VM web1 is back at snapshot live1\n',
  );
  const { uid } = fs.statSync(sandbox.files('web1').disk);
  assert.notEqual(uid, 0);
  await up();
  assert.equal(await sandbox.sh('web1', 'cat /data/note'), 'one');
});

test('a snapshot of a VM that is off comes back too', async () => {
  await sandbox.ok('stop', ['web1']);
  assert.equal(
    await sandbox.ok('snapshot', ['create', 'web1', 'off1']),
    'snapshot off1 of VM web1 is made\n',
  );
  await sandbox.ok('snapshot', ['restore', 'web1', 'off1']);
  await sandbox.ok('snapshot', ['delete', 'web1', 'live1']);
  assert.match(await sandbox.ok('snapshot', ['list', 'web1']), /^off1\t\d{4}-\S+Z\n$/);
});

test('names that are taken, unknown or no names are refused', async () => {
  for (const [words, expected] of [
    [['create', 'web1', 'off1'], /VM web1 has a snapshot off1 already/],
    [['create', 'web1', '17'], /"17" is not a valid name of a snapshot/],
    [['create', 'web1', '-x'], /unknown option|is not a valid name/],
    [['restore', 'web1', 'live1'], /VM web1 has no snapshot "live1"; there are: off1/],
    [['delete', 'web1'], /snapshot delete needs the name of a snapshot/],
    [['create', 'web7', 'a'], /VM web7 does not exist/],
  ] as const) {
    const { code, stderr } = await sandbox.run('snapshot', words);
    assert.equal(code, 1);
    assert.match(stderr, expected);
  }
});

test('a VM with a restore that is half-done does not start, until it is whole or destroyed', async () => {
  const other = await sandbox.copy('web1');
  const journal = other.config.paths.journal(parseVmName('web1'));
  fs.mkdirSync(path.dirname(journal), { recursive: true });
  const entry = { verb: 'snapshot', action: 'restore', label: 'nosuch', running: false };
  fs.writeFileSync(journal, JSON.stringify(entry));
  for (const args of [['start'], ['export', '/tmp/never'], ['snapshot', 'create', 's9']]) {
    const [verb = '', ...more] = args;
    const argv = verb === 'snapshot' ? [more[0] ?? '', 'web1', more[1] ?? ''] : ['web1', ...more];
    const { code, stderr } = await other.run(verb, argv);
    assert.equal(code, 1);
    assert.match(stderr, /VM web1: its snapshot restore of nosuch is half-done/);
    assert.deepEqual(JSON.parse(fs.readFileSync(journal, 'utf8')), entry);
  }
  await other.ok('destroy', ['web1']);
  assert.equal(fs.existsSync(journal), false);
});

test('what a snapshot has leaked that a power cut broke off is given back', async () => {
  const other = await sandbox.copy('web1');
  const { disk } = other.files('web1');
  const journal = other.config.paths.journal(parseVmName('web1'));
  fs.mkdirSync(path.dirname(journal), { recursive: true });
  const entry = { verb: 'snapshot', action: 'create', label: 'cut', running: true };
  fs.writeFileSync(journal, JSON.stringify(entry));
  leakCluster(disk);
  const { code, stderr } = await other.run('gc', ['--execute']);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /VM web1: 1 leaked clusters of disk are free again/);
  await run('qemu-img', ['check', disk]);
  assert.equal(fs.existsSync(journal), false);
});

test('an exported disk is an image that stands alone, and starts another VM', async () => {
  const file = `${sandbox.state}.export.qcow2`;
  await sandbox.ok('export', ['web1', file]);
  assert.match((await sandbox.run('export', ['web1', file])).stderr, /exists already/);
  assert.deepEqual(
    fs.readdirSync(sandbox.files('web1').directory).filter((name) => name.startsWith('export')),
    [],
  );
  await sandbox.ok('create', ['copy1', '--image', file, '--memory', '128', '--apply']);
  assert.equal(await sandbox.sh('copy1', 'cat /data/note'), 'one');
  const busy = await sandbox.run('export', ['copy1', `${file}.2`]);
  assert.match(busy.stderr, /VM copy1 is running: its disk is exported when it is off/);
  assert.equal(fs.existsSync(`${file}.2`), false);
});

test('two creates from one image at once share what the first imports', async () => {
  const other = await Sandbox.make({ after });
  await Promise.all(['a1', 'a2', 'a3'].map((name) => other.create(name, '--no-wait')));
  const templates = fs.readdirSync(other.config.paths.templates);
  assert.equal(templates.length, 1);
  assert.deepEqual(fs.readdirSync(other.config.paths.staging), []);
});
