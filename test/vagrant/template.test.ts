import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { debianTemplate } from '../support/debian-template.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';

/** No box at all: a Debian machine from the provisioner's template, with what cloud-init brings. */
const world = await VagrantWorld.make({ after });
const { template, paths } = await debianTemplate();
const PATIENCE = { limitMs: 420_000 };

test('a machine without a box is a Debian with its name, key, user-data, card and disk', async () => {
  const target = path.join(world.state, 'templates', template.id);
  fs.mkdirSync(target, { recursive: true });
  for (const name of fs.readdirSync(paths.template(template.id).directory))
    linkOrCopy(path.join(paths.template(template.id).directory, name), path.join(target, name));
  fs.symlinkSync(template.id, path.join(world.state, 'templates/current'));
  const project = world.project(
    'debian',
    `config.vm.hostname = "shop"
     config.vm.synced_folder ".", "/vagrant", disabled: true
     config.vm.network "private_network", ip: "192.168.91.10"
     config.vm.provider :blockhost do |blockhost|
       blockhost.memory = 512
       blockhost.extra_disks = [1]
       blockhost.user_data = "#cloud-config\\nwrite_files: [{path: /etc/written, content: by cloud-init}]\\n"
     end
     config.vm.provision "shell", inline: "cat /etc/written; lsblk -dnbo SIZE /dev/vdc"`,
  );
  const said = await world.ok(project, ['up', '--provider=blockhost'], PATIENCE);
  assert.match(said, /by cloud-init/);
  assert.match(said, new RegExp(String(1024 ** 3)));
  // The key is the machine's own from the start: there was none to replace.
  assert.doesNotMatch(said, /insecure key/);
  const seen = await world.ok(
    project,
    ['ssh', '-c', 'hostname; id -un; ip -o -4 addr show eth1'],
    PATIENCE,
  );
  assert.match(seen, /^shop\r?\nvagrant\r?\n.* 192\.168\.91\.10\/24 /);
  await world.ok(project, ['destroy', '-f'], PATIENCE);
  assert.deepEqual(await world.left(), []);
});

function linkOrCopy(from: string, to: string): void {
  try {
    fs.linkSync(from, to);
  } catch {
    fs.copyFileSync(from, to);
  }
}
