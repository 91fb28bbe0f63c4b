import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { poll } from '../../src/host/time.ts';
import { parseVmName } from '../../src/types.ts';
import { stopVm } from '../../src/vm/stop.ts';
import { debianTemplate } from '../support/debian-template.ts';
import { leftovers } from '../support/leftovers.ts';
import { Sandbox } from '../support/sandbox.ts';

// What a user does with a VM, from create to destroy, with the template that the program builds.

const sandbox = await Sandbox.make({ after });
const vm = (verb: string, ...args: string[]): Promise<string> =>
  sandbox.ok(verb, ['web1', ...args]);

before(async () => {
  const { paths } = await debianTemplate();
  fs.mkdirSync(sandbox.state, { recursive: true });
  // A copy: QEMU's user cannot enter the cache of whoever runs the tests.
  await run('cp', ['-a', paths.templates, sandbox.config.paths.templates]);
});

async function comesUp(): Promise<void> {
  const up = async (): Promise<true | undefined> => {
    const command = 'systemctl is-system-running --wait || :';
    return (await sandbox.run('guest-exec', ['web1', command])).code === 0 ? true : undefined;
  };
  assert.ok(await poll(up, { deadlineMs: 180_000, everyMs: 1000 }), 'the guest does not come up');
}

test('create returns when the guest is ready: agent and account', async () => {
  const options = ['--memory', '512', '--disk', '6', '--owner-wallet', '0xAbC', '--apply'];
  const [first = '', second = ''] = (await vm('create', ...options)).split('\n');
  assert.equal(first, `BLOCKHOST_RESULT: ${second}`);
  const { status, vm_name, username } = JSON.parse(second);
  assert.deepEqual([status, vm_name, username], ['ok', 'web1', 'admin']);
  assert.match(await vm('guest-exec', 'getent passwd admin'), /:wallet=0xAbC:/);
});

test('a stop in its first run, straight after create, lets the guest power down', async () => {
  // With more time than the verb takes: an emulated guest on a busy machine is far from the end of its boot.
  const { rung } = await stopVm(sandbox.host(), parseVmName('web1'), 240_000);
  assert.ok(rung === 'guest' || rung === 'guest, asked again', rung);
  assert.equal((await vm('status')).trim(), 'suspended');
});

test('its second run goes on where the first ended; GECOS, metrics and kill', async () => {
  await vm('start');
  await comesUp();
  assert.match(await vm('stop'), /the guest powered down/);
  await vm('start');
  await comesUp();
  await vm('update-gecos', '0xDeF', '--nft-id', '7');
  assert.match(await vm('guest-exec', 'getent passwd admin'), /:wallet=0xDeF,nft=7:/);
  const metrics = JSON.parse(await vm('metrics'));
  assert.equal(metrics.state, 'running');
  assert.equal(metrics.disk_total_mb, 6144);
  assert.ok(metrics.disk_used_mb > 100 && metrics.memory_used_mb > 20, JSON.stringify(metrics));
  assert.match(await vm('guest-exec', 'df --output=size -BG / | tail -1'), /\b[56]G/);
  assert.match(await vm('kill'), /is killed/);
});

test('destroy leaves nothing', async () => {
  await vm('destroy');
  assert.deepEqual(await leftovers(sandbox.config.paths), []);
});
