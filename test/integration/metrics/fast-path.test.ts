import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { identify } from '../../../src/host/process.ts';
import { uptimeSeconds } from '../../../src/host/uptime.ts';
import { formatPublished, type Published } from '../../../src/metrics/published.ts';
import { OFF, toRecords } from '../../../src/metrics/view.ts';
import { configOf } from '../../support/fleet/config.ts';
import { programFile } from '../../support/program.ts';

/** A directory with the fast path and, in the program's place, one that tells how it was called. */
const bin = fs.mkdtempSync(path.join(os.tmpdir(), 'bh-fast-'));
const run = path.join(bin, 'state', 'run');
after(() => fs.rmSync(bin, { recursive: true, force: true }));
for (const name of ['blockhost-vm-metrics', 'blockhost-vm-status'])
  fs.copyFileSync(programFile(name), path.join(bin, name));
const program = path.join(bin, 'blockhost-qemu');
fs.writeFileSync(program, '#!/bin/sh\nprintf "<%s>" program "$@"\nexit 7\n', { mode: 0o755 });
fs.mkdirSync(path.join(run, '.statd'), { recursive: true });

const SHELLS = [['dash'], ['busybox', 'sh'], ['bash', '--posix']];
const records = toRecords(configOf('web1', 0), { ...OFF, state: 'running' });
const json = JSON.stringify(records.record);

function publish(change: Partial<Published> = {}): void {
  const now = Math.floor(uptimeSeconds());
  const self = identify(process.pid);
  assert.ok(self);
  const whole: Published = {
    ...{ validUntil: now + 5, writtenAt: now, process: self, status: 'active' },
    ...records,
    ...change,
  };
  fs.writeFileSync(path.join(run, '.statd', 'web1'), formatPublished(whole));
}

interface Answer {
  stdout: string;
  stderr: string;
  code: number | null;
}

function call(
  shell: readonly string[],
  verb: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Answer {
  const [command = '', ...more] = shell;
  const { stdout, stderr, status } = spawnSync(command, [...more, path.join(bin, verb), ...args], {
    // Nothing of the caller's settings, and no way to a program by PATH.
    env: { BLOCKHOST_QEMU_STATE_DIR: path.dirname(run), PATH: '/usr/bin:/bin', ...env },
    encoding: 'utf8',
  });
  return { stdout, stderr, code: status };
}

const published = { stdout: `${json}\n`, stderr: '', code: 0 };
const handedOver = (verb: string, ...args: string[]): Answer => ({
  stdout: ['program', '--as', verb, ...args].map((word) => `<${word}>`).join(''),
  stderr: '',
  code: 7,
});
const METRICS = 'blockhost-vm-metrics';
const STATUS = 'blockhost-vm-status';

for (const shell of SHELLS) {
  const name = shell[0];

  test(`${name}: a fresh record is printed as it is`, () => {
    publish();
    assert.deepEqual(call(shell, METRICS, ['web1']), published);
    assert.deepEqual(call(shell, STATUS, ['web1']), { ...published, stdout: 'active\n' });
    publish({ status: 'suspended' });
    assert.equal(call(shell, STATUS, ['web1']).stdout, 'suspended\n');
  });

  test(`${name}: what only the store of records knows is asked of the program`, () => {
    publish({ status: '-' });
    assert.deepEqual(call(shell, STATUS, ['web1']), handedOver(STATUS, 'web1'));
  });

  test(`${name}: a record that is too old, of the future, of a dead process or damaged is none`, () => {
    const now = Math.floor(uptimeSeconds());
    const self = identify(process.pid);
    assert.ok(self);
    const bad: Partial<Published>[] = [
      { validUntil: now },
      { validUntil: now - 1, writtenAt: now - 5 },
      // As after a reboot: it was written by a clock that has begun anew.
      { writtenAt: now + 1000, validUntil: now + 1005 },
      { process: { pid: 2 ** 22 - 1, startTime: 5 } },
      { process: { pid: process.pid, startTime: self.startTime - 1 } },
    ];
    for (const change of bad) {
      publish(change);
      assert.deepEqual(call(shell, METRICS, ['web1']), handedOver(METRICS, 'web1'));
      assert.deepEqual(call(shell, STATUS, ['web1']), handedOver(STATUS, 'web1'));
    }
    const texts = ['', '\n', 'x y z\n{}\n', '1 2\n', `9999999 1 x 5 active\n${json}\n`, '\0\0\0'];
    for (const text of [
      ...texts,
      `${now + 5} ${now} ${self.pid} ${self.startTime} active\n{"cut`,
    ]) {
      fs.writeFileSync(path.join(run, '.statd', 'web1'), text);
      assert.deepEqual(call(shell, METRICS, ['web1']), handedOver(METRICS, 'web1'), text);
    }
  });

  test(`${name}: hostile names never reach a path`, () => {
    publish();
    const file = path.join(run, '.statd', 'web1');
    // What a careless path would lead to: all of them fresh and readable.
    fs.copyFileSync(file, path.join(run, 'outside'));
    fs.copyFileSync(file, path.join(run, '.statd', '-rf'));
    fs.copyFileSync(file, path.join(run, '.statd', 'a'.repeat(65)));
    fs.copyFileSync(file, path.join(run, '.statd', 'wéb'));
    const names = [
      ...['', '../outside', '..', '.', '/etc/passwd', 'web1/', 'web1/../web1', '.statd/web1'],
      ...['-rf', '--', '--help', '-', 'web1\n', '\nweb1', 'web1 ', ' web1', 'web*', 'web?', 'wéb'],
      ...['$(id)', '`id`', 'web1;id', 'web1\t', '[w]eb1', 'web1\\', 'a'.repeat(65), '~', 'web1\r'],
    ];
    for (const hostile of names) {
      assert.deepEqual(call(shell, METRICS, [hostile]), handedOver(METRICS, hostile));
      assert.deepEqual(call(shell, STATUS, [hostile]), handedOver(STATUS, hostile));
    }
    for (const locale of ['C', 'C.UTF-8'])
      assert.deepEqual(
        call(shell, METRICS, ['wéb'], { LC_ALL: locale }),
        handedOver(METRICS, 'wéb'),
      );
  });

  test(`${name}: options and other numbers of words are the program's`, () => {
    publish();
    for (const args of [[], ['web1', 'web1'], ['--all'], ['web1', '--extended'], ['a b', "c'd"]])
      assert.deepEqual(call(shell, METRICS, args), handedOver(METRICS, ...args));
  });

  test(`${name}: settings decide where to look, and what is not plain is the program's`, () => {
    publish();
    const config = path.join(bin, 'config.yaml');
    const state = path.dirname(run);
    const by = (text: string | undefined, env: NodeJS.ProcessEnv = {}): Answer => {
      if (text === undefined) fs.rmSync(config, { force: true });
      else fs.writeFileSync(config, text);
      return call(shell, METRICS, ['web1'], { BLOCKHOST_QEMU_CONFIG: config, ...env });
    };
    const none = handedOver(METRICS, 'web1');
    assert.deepEqual(by(''), published);
    assert.deepEqual(by('bridge: br0\n# state_dir: /x\nready_timeout: 5'), published);
    assert.deepEqual(by('{"runner":"direct"}'), published);
    for (const text of ['run_dir: /x', '{"state_dir": "/x"}', '"run\\u005fdir": /x', 'root: own'])
      assert.deepEqual(by(text), none, text);
    assert.deepEqual(by(undefined), none);
    // A directory that is named outright needs no settings.
    const moved = { BLOCKHOST_QEMU_RUN_DIR: run, BLOCKHOST_QEMU_STATE_DIR: '/nowhere' };
    assert.deepEqual(by('state_dir: /x', moved), published);
    for (const wrong of ['', 'state/run', `${run}/../run`])
      assert.deepEqual(by('', { BLOCKHOST_QEMU_RUN_DIR: wrong }), none, wrong);
    for (const wrong of ['', '/var/lib/blockhost-qemu', 'state', `${state}/x`])
      assert.deepEqual(by('', { BLOCKHOST_QEMU_STATE_DIR: wrong }), none, wrong);
  });

  test(`${name}: somebody who is not root has VMs of his own, elsewhere`, () => {
    const [command = '', ...more] = shell;
    fs.chmodSync(bin, 0o755);
    const { stdout } = spawnSync(command, [...more, path.join(bin, METRICS), 'web1'], {
      env: { PATH: '/usr/bin:/bin' },
      encoding: 'utf8',
      uid: 65_534,
      gid: 65_534,
    });
    assert.equal(stdout, handedOver(METRICS, 'web1').stdout);
  });
}

test('a reader that went away is a failure', () => {
  publish();
  const script = `sh ${path.join(bin, METRICS)} web1 >/dev/full`;
  const env = { BLOCKHOST_QEMU_STATE_DIR: path.dirname(run), PATH: process.env.PATH };
  const { status } = spawnSync('sh', ['-c', script], { env });
  assert.notEqual(status, 0);
});
