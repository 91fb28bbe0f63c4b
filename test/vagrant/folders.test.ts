import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';

const world = await VagrantWorld.make({ after });

test('folders by 9p and virtiofs are refused before anything is made, with the way out', async () => {
  const box = await libvirtV1Box(world.base);
  await world.ok(world.base, ['box', 'add', 'tiny', box]);
  for (const type of ['9p', 'virtiofs']) {
    const project = world.project(
      type,
      `config.vm.box = "tiny"
       config.vm.synced_folder ".", "/srv", type: "${type}"`,
    );
    const { code, stderr } = await world.run(project, ['up', '--provider=blockhost']);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`synced_folder "/srv": type "${type}" is not supported`));
    assert.match(stderr, /use type: "rsync"/);
  }
  assert.deepEqual(await world.left(), []);
});
