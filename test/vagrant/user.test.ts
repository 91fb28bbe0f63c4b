import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';

/** nobody: all that is needed is an account, for ssh(1), and a folder of one's own. */
const UID = 65_534;

test('a user without privileges brings a machine up, snapshots it and destroys it', async () => {
  const world = await VagrantWorld.make({ after }, UID);
  const box = await libvirtV1Box(world.base);
  const project = world.project(
    'web',
    `config.vm.box = "tiny"
     config.vm.synced_folder ".", "/vagrant", disabled: true
     config.ssh.insert_key = false
     config.vm.network "forwarded_port", guest: 8080, host: 28180, auto_correct: true
     config.vm.provider(:blockhost) { |blockhost| blockhost.memory = 128; blockhost.disk = 1 }`,
  );
  await world.ok(project, ['box', 'add', 'tiny', box]);
  await world.ok(project, ['up', '--provider=blockhost']);
  assert.equal(await world.ssh(project, 'echo kept >/data/state; sync; hostname'), 'default');
  const [vm = ''] = fs.readdirSync(path.join(world.state, 'vms'));
  assert.equal(fs.statSync(path.join(world.state, 'vms', vm, 'disk.qcow2')).uid, UID);
  await world.ok(project, ['snapshot', 'push']);
  await world.ssh(project, 'echo lost >/data/state; sync');
  await world.ok(project, ['snapshot', 'pop', '--no-provision']);
  assert.equal(await world.ssh(project, 'cat /data/state'), 'kept');
  await world.ok(project, ['destroy', '-f']);
  assert.deepEqual(await world.left(), []);
});
