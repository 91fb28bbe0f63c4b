import assert from 'node:assert/strict';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';
import { testLife } from './suite/life.ts';

/** On a box that `vagrant package` made elsewhere: by another home of Vagrant and another store of templates. */
const [elsewhere, here, further] = [
  await VagrantWorld.make({ after }),
  await VagrantWorld.make({ after }),
  await VagrantWorld.make({ after }),
];

async function ownBox(): Promise<string> {
  const project = elsewhere.project('first', SETTINGS);
  const box = path.join(elsewhere.base, 'own.box');
  await elsewhere.ok(project, ['box', 'add', 'tiny', await libvirtV1Box(elsewhere.base)]);
  await elsewhere.ok(project, ['up', '--provider=blockhost']);
  await elsewhere.ssh(project, 'echo elsewhere >/data/origin; sync');
  await elsewhere.ok(project, ['package', '--output', box]);
  await elsewhere.ok(project, ['destroy', '-f']);
  assert.deepEqual(await elsewhere.left(), []);
  return box;
}

const SETTINGS = `
  config.vm.box = "tiny"
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.vm.provider(:blockhost) { |blockhost| blockhost.memory = 128; blockhost.disk = 1 }`;

const packaged = testLife(here, ownBox);

test('a box of a machine from such a box boots elsewhere again, with all that both machines had', async () => {
  const project = further.project('copy', SETTINGS);
  assert.match(await further.ok(project, ['box', 'add', 'tiny', packaged]), /for 'blockhost'/);
  await further.ok(project, ['up', '--provider=blockhost']);
  const seen = await further.ssh(project, 'cat /data/origin /data/state /data/copied');
  assert.equal(seen, 'elsewhere\nbefore\nfrom the host');
  await further.ok(project, ['destroy', '-f']);
  assert.deepEqual(await further.left(), []);
});
