import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import { TINY, tinyTemplate } from './support/tiny-template.ts';

// As root on a host without BlockHost, with the settings found by default: systemd scopes, QEMU's user network.

const TIMEOUT = { timeoutMs: 300_000 };
const vm = async (verb: string, ...args: string[]): Promise<string> =>
  (await run(`blockhost-vm-${verb}`, ['web1', ...args], TIMEOUT)).stdout;

const SCOPE = 'blockhost-vm-web1.scope';
const scopeState = async (): Promise<string> =>
  (await run('systemctl', ['is-active', SCOPE], { okCodes: [0, 3, 4] })).stdout;

/** Commands of all processes in the VM's scope. */
function inScope(): string[] {
  const procs = `/sys/fs/cgroup/blockhost.slice/blockhost-vm.slice/${SCOPE}/cgroup.procs`;
  const pids = fs.readFileSync(procs, 'utf8').trim().split('\n');
  return pids.map((pid) => fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim()).sort();
}

async function scopeIsGone(): Promise<void> {
  const gone = async (): Promise<true | undefined> =>
    (await scopeState()) === 'inactive' || undefined;
  assert.ok(await poll(gone, { deadlineMs: 20_000, everyMs: 200 }), 'the scope is left');
}

test('create: QEMU is in a scope of its own, as no user of the host', async () => {
  fs.mkdirSync('/etc/blockhost-qemu');
  fs.writeFileSync('/etc/blockhost-qemu/config.yaml', 'root: own\n');
  await tinyTemplate();
  assert.match(await vm('create', ...TINY, '--apply'), /^BLOCKHOST_RESULT: .*"status":"ok"/);
  assert.equal(await scopeState(), 'active');
  assert.ok(inScope().includes('qemu-system-x86'), inScope().join());
  const { uid } = fs.statSync('/var/lib/blockhost-qemu/vms/web1/disk.qcow2');
  assert.ok(uid >= 65_600, `uid ${uid}`);
});

test('guest-exec, status and metrics reach it', async () => {
  assert.equal(await vm('guest-exec', 'uname -s'), 'Linux');
  assert.equal(await vm('status'), 'active');
  const metrics = JSON.parse(await vm('metrics'));
  assert.equal(metrics.state, 'running');
  assert.equal(metrics.guest_agent_responsive, true);
});

test('stop powers the guest off and leaves no scope', async () => {
  await vm('stop');
  assert.equal(await vm('status'), 'suspended');
  await scopeIsGone();
});

test('start, then kill', async () => {
  await vm('start');
  assert.equal(await scopeState(), 'active');
  assert.equal(await vm('status'), 'active');
  await vm('kill');
  assert.equal(await vm('status'), 'suspended');
  await scopeIsGone();
});

test('destroy leaves nothing, twice', async () => {
  await vm('destroy');
  await vm('destroy');
  await scopeIsGone();
  assert.deepEqual(fs.readdirSync('/var/lib/blockhost-qemu/vms'), []);
  assert.equal((await run('pgrep', ['qemu-system'], { okCodes: [0, 1] })).stdout, '');
});
