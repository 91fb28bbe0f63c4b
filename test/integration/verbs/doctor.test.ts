import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { poll } from '../../../src/host/time.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { GiB, parseVmName, THROTTLE_GROUP } from '../../../src/types.ts';
import type { Reported } from '../../../src/vm/doctor/finding.ts';
import { Journal } from '../../../src/vm/journal.ts';
import { programFile, Running } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
before(() => sandbox.create('web1'));

interface Answer {
  code: number | null;
  findings: Reported[];
}

async function doctor(box: Sandbox, ...args: string[]): Promise<Answer> {
  const argv = [programFile('blockhost-qemu'), 'doctor', '--json', ...args];
  const { code, stdout } = await new Running(argv, { env: box.env }).done;
  const answer = JSON.parse(stdout) as { exit_code: number; findings: Reported[] };
  assert.equal(answer.exit_code, code);
  return { code, findings: answer.findings.filter(({ code }) => !OF_THE_HOST.has(code)) };
}

/** What is so on the machine that runs the tests. */
const OF_THE_HOST = new Set(['no-kvm', 'no-template', 'no-systemd', 'no-cgroup2', 'space']);

const codes = ({ findings }: Answer): string[] =>
  findings.map(({ subject, code }) => `${subject} ${code}`).sort();

test('a VM that runs as it should is no finding', async () => {
  assert.deepEqual((await doctor(sandbox)).findings, []);
});

test('a QEMU that does not answer, and a guest that is paused, are told apart', async () => {
  const pid = sandbox.pid('web1');
  process.kill(pid, 'SIGSTOP');
  try {
    const answer = await doctor(sandbox);
    assert.deepEqual([codes(answer), answer.code], [['web1 silent'], 2]);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await sandbox.ok('pause', ['web1']);
  const [finding] = (await doctor(sandbox)).findings;
  assert.deepEqual([finding?.code, finding?.severity], ['paused', 'note']);
  await sandbox.ok('start', ['web1']);
});

test('a limit that another program has changed is told, and put back', async () => {
  await sandbox.ok('throttle', ['web1', '--iops-read', '500', '--bps-write', '1000000']);
  assert.deepEqual((await doctor(sandbox)).findings, []);
  await withQmp(sandbox.files('web1').qmp, async (qmp) => {
    const value = { 'iops-read': 0, 'bps-write': 2_000_000 };
    await qmp.execute('qom-set', { path: `/objects/${THROTTLE_GROUP}`, property: 'limits', value });
  });
  const { code, findings } = await doctor(sandbox);
  assert.deepEqual(
    [code, findings.map(({ code, problem }) => `${code}: ${problem}`).sort()],
    [
      1,
      [
        'limit: bytes written to disk: 1 MB/s was asked for, but 2 MB/s is in force',
        'limit: disk reads: 500 operations/s was asked for, but unlimited is in force',
      ],
    ],
  );
  const { findings: mended } = await doctor(sandbox, '--repair');
  assert.deepEqual(
    mended.map(({ repair }) => repair),
    ['done', 'done'],
  );
  assert.deepEqual((await doctor(sandbox)).findings, []);
  await sandbox.ok('throttle', ['web1', '--reset']);
});

test('a QEMU whose monitor another program holds is well, and nobody advises to kill it', async () => {
  await withQmp(sandbox.files('web1').probe, async () => {
    const [finding, ...others] = (await doctor(sandbox)).findings;
    assert.deepEqual([finding?.code, finding?.severity, others], ['monitor', 'warning', []]);
    assert.doesNotMatch(JSON.stringify(finding), /kill/);
    const explained = await sandbox.ok('explain', ['web1', '--json']);
    assert.equal((JSON.parse(explained) as { cause: string }).cause, 'running');
  });
});

test('what a killed QEMU leaves is mended, and the VM starts', async () => {
  process.kill(sandbox.pid('web1'), 'SIGKILL');
  const { run, disk } = sandbox.files('web1');
  const seen = await doctor(sandbox);
  assert.deepEqual(codes(seen), ['web1 run-left']);
  assert.ok(fs.existsSync(run), 'looking changes nothing');
  const mended = await doctor(sandbox, '--repair');
  assert.deepEqual(
    mended.findings.map(({ repair }) => repair),
    ['done'],
  );
  assert.deepEqual([fs.existsSync(run), fs.existsSync(disk)], [false, true]);
  assert.deepEqual((await doctor(sandbox)).findings, []);
});

test('leftovers of commands that died go with --repair, and only they', async () => {
  const host = sandbox.host();
  const { paths } = host;
  const ghost = parseVmName('ghost1');
  await host.store.allocate(ghost, undefined);
  fs.mkdirSync(path.join(paths.trash, 'old.1'), { recursive: true });
  fs.mkdirSync(path.join(paths.staging, '00000000-1-1-1-abcdef'), { recursive: true });
  fs.writeFileSync(path.join(paths.staging, 'notes'), 'of somebody');
  const old = path.join(sandbox.files('web1').directory, '.vm.json.1-abc.tmp');
  const fresh = path.join(sandbox.files('web1').directory, '.vm.json.2-abc.tmp');
  for (const file of [old, fresh]) fs.writeFileSync(file, '{');
  fs.utimesSync(old, 1e9, 1e9);
  const seen = await doctor(sandbox);
  assert.deepEqual(codes(seen), [
    '00000000-1-1-1-abcdef staging',
    'ghost1 reserved',
    'old.1 trash',
    'vms/web1/.vm.json.1-abc.tmp temporary',
  ]);
  const mended = await doctor(sandbox, '--repair');
  assert.deepEqual(new Set(mended.findings.map(({ repair }) => repair)), new Set(['done']));
  assert.deepEqual((await doctor(sandbox)).findings, []);
  assert.deepEqual(
    [fs.existsSync(fresh), fs.existsSync(path.join(paths.staging, 'notes'))],
    [true, true],
  );
  fs.rmSync(fresh);
  fs.rmSync(path.join(paths.staging, 'notes'));
});

test('a verb that died is finished', async () => {
  new Journal(sandbox.host(), parseVmName('web1'), { verb: 'start' }).begin();
  assert.deepEqual(codes(await doctor(sandbox)), ['web1 unfinished']);
  await doctor(sandbox, '--repair');
  assert.deepEqual((await doctor(sandbox)).findings, []);
  await sandbox.ok('start', ['web1']);
  await sandbox.ok('kill', ['web1']);
});

test('what is uncertain is kept: files without record, record without files, a disk that is missing', async () => {
  const unknown = await sandbox.copy('web1');
  fs.rmSync(unknown.config.paths.records);
  const { disk } = unknown.files('web1');
  const kept = await doctor(unknown, '--repair');
  assert.deepEqual([codes(kept), kept.code], [['web1 no-record'], 2]);
  assert.ok(fs.existsSync(disk));

  const bare = await sandbox.copy('web1');
  const { config, disk: gone } = bare.files('web1');
  const content = JSON.parse(fs.readFileSync(config, 'utf8')) as object;
  fs.writeFileSync(config, JSON.stringify({ ...content, extra_disks: [GiB] }));
  fs.rmSync(gone);
  const missing = await doctor(bare, '--repair');
  assert.deepEqual(codes(missing), ['web1 disk-missing', 'web1 disk-missing']);
  fs.rmSync(bare.files('web1').directory, { recursive: true });
  assert.deepEqual(codes(await doctor(bare, '--repair')), ['web1 no-files']);
  assert.equal((await bare.host().store.list()).length, 1);
});

test('records that cannot be read hold up nothing but what depends on them', async () => {
  const broken = await sandbox.copy('web1');
  fs.writeFileSync(broken.config.paths.records, 'no JSON');
  fs.mkdirSync(path.join(broken.config.paths.trash, 'old.1'), { recursive: true });
  const answer = await doctor(broken, '--repair');
  assert.deepEqual(codes(answer), ['records not-examined']);
  assert.deepEqual(fs.readdirSync(broken.config.paths.trash), ['old.1']);
});

test('a template that was written to, or is gone, is an error of its VMs', async () => {
  const other = await sandbox.copy('web1');
  const { paths } = other.config;
  const [id = ''] = fs.readdirSync(paths.templates).filter((name) => name !== 'current');
  const { image } = paths.template(id);
  const { atime, mtime } = fs.statSync(image);
  fs.utimesSync(image, atime, new Date(Date.now() + 3_600_000));
  try {
    const answer = await doctor(other);
    assert.deepEqual([codes(answer), answer.code], [[`${id} template`], 2]);
    // What it holds is what was published, whatever the time says; that is remembered.
    assert.deepEqual((await doctor(other, '--deep')).findings, []);
    assert.deepEqual((await doctor(other)).findings, []);
  } finally {
    fs.utimesSync(image, atime, mtime);
  }
  assert.deepEqual((await doctor(other)).findings, []);
});

test('a QEMU of which nothing else is there is told, and left alone', async (t) => {
  const pidFile = sandbox.files('stray1').pid;
  const stray = spawn('perl', ['-e', 'sleep 600', '--', '-pidfile', pidFile]);
  t.after(() => stray.kill('SIGKILL'));
  await once(stray, 'spawn');
  const told = async (): Promise<true | undefined> =>
    codes(await doctor(sandbox, '--repair')).includes('stray1 stray-qemu') ? true : undefined;
  // Until it has executed perl, its command line is that of this test.
  assert.ok(await poll(told, { deadlineMs: 60_000, everyMs: 100 }));
  assert.equal(stray.exitCode, null);
});

test('people get one line for each finding', async () => {
  const argv = [programFile('blockhost-qemu'), 'doctor', 'web1'];
  const refused = await new Running(argv, { env: sandbox.env }).done;
  assert.match(refused.stderr, /too many arguments/);
  fs.mkdirSync(path.join(sandbox.config.paths.trash, 'old.2'));
  const { stdout } = await new Running(argv.slice(0, 2), { env: sandbox.env }).done;
  assert.match(stdout, /^warning {2}old\.2: what was being removed .*; doctor --repair, or: /m);
});
