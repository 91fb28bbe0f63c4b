import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../support/temporary.ts';

const HOOK = path.resolve('hooks/first-boot.sh');
/** What is there before any provisioner's package: nothing of ours. */
const BASE = ['mkdir', 'printf', 'cat', 'sh', 'env', 'touch'];

test('it installs what is missing, once, and leaves its marks', (t) => {
  const host = fresh(t);
  const first = host.run();
  assert.equal(first.status, 0, first.stderr + first.stdout);
  assert.match(host.calls(), /^apt-get install -y --no-install-recommends .*qemu-system-x86 .*jq/m);
  assert.deepEqual(host.marks(), ['.step-qemu-modules', '.step-qemu-packages']);
  const calls = host.calls();
  const second = host.run();
  assert.equal(second.status, 0);
  assert.match(second.stdout, /packages: done before/);
  assert.equal(host.calls(), calls);
});

test('package lists that are old are fetched again; a failure ends it and is tried at the next boot', (t) => {
  const host = fresh(t);
  host.command(
    'apt-get',
    `[ "$1" = update ] && touch ${host.root}/updated; [ -e ${host.root}/updated ]`,
  );
  assert.equal(host.run().status, 0);
  const other = fresh(t);
  other.command('apt-get', 'exit 100');
  assert.notEqual(other.run().status, 0);
  assert.deepEqual(other.marks(), []);
  other.command('apt-get', 'exit 0');
  assert.equal(other.run().status, 0);
});

test('what still is missing then is told', (t) => {
  const host = fresh(t);
  fs.rmSync(path.join(host.root, 'bin', 'qemu-img'));
  const { status, stdout } = host.run();
  assert.notEqual(status, 0);
  assert.match(stdout, /qemu-img is not installed/);
});

test('it makes no bridge and needs no Node', () => {
  const text = fs.readFileSync(HOOK, 'utf8');
  assert.doesNotMatch(text, /bridge-managed|brctl|ip link add/);
  assert.doesNotMatch(text, /\bnode\b/);
  const reserved = /\.step-(?!qemu-)/;
  assert.doesNotMatch(text, reserved);
});

function fresh(t: TestContext) {
  const root = temporaryDirectory(t);
  const bin = path.join(root, 'bin');
  fs.mkdirSync(bin);
  const command = (name: string, body: string): void =>
    fs.writeFileSync(
      path.join(bin, name),
      `#!/bin/sh\necho "${name} $*" >>${root}/calls\n${body}\n`,
      {
        mode: 0o755,
      },
    );
  for (const name of BASE) fs.symlinkSync(`/usr/bin/${name}`, path.join(bin, name));
  for (const name of ['apt-get', 'modprobe']) command(name, 'exit 0');
  for (const name of ['qemu-system-x86_64', 'qemu-img', 'genisoimage', 'jq'])
    command(name, 'exit 0');
  command('dpkg-query', 'exit 1');
  const state = path.join(root, 'state');
  return {
    root,
    command,
    run: () =>
      spawnSync(HOOK, [], {
        encoding: 'utf8',
        env: { PATH: bin, STATE_DIR: state, MODULES_LOAD_DIR: path.join(root, 'modules') },
      }),
    marks: () => (fs.existsSync(state) ? fs.readdirSync(state).sort() : []),
    calls: () =>
      fs.readFileSync(path.join(root, 'calls'), 'utf8').replaceAll(/^dpkg-query.*\n/gm, ''),
  };
}
