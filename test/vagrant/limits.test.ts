import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';

/** blockhost.limits, up to QEMU's throttle group, on a host without systemd scopes and a VM without a tap. */
const world = await VagrantWorld.make({ after });
const settings = (limits: string): string => `
  config.vm.box = "tiny"
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.ssh.insert_key = false
  config.vm.provider :blockhost do |blockhost|
    blockhost.memory = 128
    blockhost.disk = 1
    blockhost.limits = { ${limits} }
  end`;
const project = world.project(
  'web',
  settings('iops_read: 50, iops_write: 400, bps_write: 4_000_000'),
);

before(async () => {
  await world.ok(project, ['box', 'add', 'tiny', await libvirtV1Box(world.base)]);
  await world.ok(project, ['up', '--provider=blockhost']);
});

async function limits(): Promise<{ requested: object; in_force: object }> {
  const [vm] = JSON.parse(await world.program('inspect')).vms;
  return JSON.parse(await world.program('throttle', vm.name, '--show', '--json'));
}

test('operations and bytes of the disk are in force in QEMU', async () => {
  const { requested, in_force } = await limits();
  assert.deepEqual(requested, { iops_read: 50, iops_write: 400, bps_write: 4_000_000 });
  assert.deepEqual(in_force, requested);
});

test('the guest gets no more reads than that', async () => {
  const said = await world.ssh(
    project,
    'cut -d" " -f1 /proc/uptime; dd if=/dev/vda of=/dev/null bs=4k count=250 iflag=direct 2>/dev/null; cut -d" " -f1 /proc/uptime',
  );
  const [began = 0, ended = 0] = said.split('\n').map(Number);
  // 250 reads at 50 per second, less what the bucket holds; a slow host only makes it longer.
  assert.ok(ended - began > 3.5, said);
});

test('up of a machine that runs changes them, and takes away those that are gone', async () => {
  world.project('web', settings('iops_read: 70'));
  await world.ok(project, ['up']);
  assert.deepEqual((await limits()).in_force, { iops_read: 70 });
  world.project('web', settings(''));
  await world.ok(project, ['up']);
  assert.deepEqual((await limits()).in_force, {});
});

test('what this host cannot keep is refused by its key, and a running machine stays', async () => {
  for (const [key, reason] of [
    ['cpu_quota: 50', /blockhost\.limits \(cpu_quota\): .*CPU limits are not supported here/],
    ['bandwidth_in: 1000', /blockhost\.limits \(bandwidth_in\): .*bandwidth cannot be limited/],
  ] as const) {
    world.project('web', settings(key));
    const { code, stderr } = await world.run(project, ['up']);
    assert.equal(code, 1);
    assert.match(stderr.replaceAll('\n', ' '), reason);
  }
  assert.deepEqual(await world.states(project), { default: 'running' });
});

test('a machine that is paused can be destroyed', async () => {
  world.project('web', settings(''));
  await world.ok(project, ['suspend']);
  assert.deepEqual(await world.states(project), { default: 'paused' });
  await world.ok(project, ['destroy', '-f']);
  assert.deepEqual(await world.left(), []);
});

test('a new machine with such a limit does not come to be', async () => {
  world.project('web', settings('bandwidth_in: 1000'));
  const { code, stderr } = await world.run(project, ['up', '--provider=blockhost']);
  assert.equal(code, 1);
  assert.match(stderr, /blockhost\.limits \(bandwidth_in\)/);
  assert.deepEqual(await world.states(project), { default: 'not_created' });
  assert.deepEqual(await world.left(), []);
});
