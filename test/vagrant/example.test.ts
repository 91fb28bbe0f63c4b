import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { projectRoot, Running } from '../support/program.ts';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';

/** The example of two machines as it stands, with a box in place of the Debian template that it leaves to the host. */
const world = await VagrantWorld.make({ after });
const example = path.join(projectRoot(), 'vagrant/examples/multi/Vagrantfile');

test('what the example of two machines says does what it says', async () => {
  fs.writeFileSync(
    path.join(world.env.VAGRANT_HOME ?? '', 'Vagrantfile'),
    `Vagrant.configure("2") do |config|
       config.vm.box = "tiny"
       config.ssh.insert_key = false
       config.vm.provider(:blockhost) { |blockhost| blockhost.cloud_init = true }
     end
`,
  );
  const project = world.project('multi', '');
  await world.ok(project, ['box', 'add', 'tiny', await libvirtV1Box(world.base)]);
  fs.copyFileSync(example, path.join(project, 'Vagrantfile'));
  const [, command = ''] = /^# +(vagrant up .*)$/m.exec(fs.readFileSync(example, 'utf8')) ?? [];
  assert.match(command, /^vagrant up --provider=blockhost && vagrant ssh app -c "ping /);
  const said = await new Running(['sh', '-c', command], { cwd: project, env: world.env }).done;
  assert.equal(said.code, 0, `${said.stdout}${said.stderr}`);
  assert.match(said.stdout, /1 packets received/);
  assert.deepEqual(await world.states(project), { app: 'running', db: 'running' });
  const back = 'hostname; ping -c 1 -w 20 192.168.56.10';
  assert.match(await world.ssh(project, back, ['db']), /^db\n.* 1 packets received/s);
  const ports = await world.ok(project, ['port', 'app', '--machine-readable']);
  assert.match(ports, /forwarded_port,3000,\d+/);
  await world.ok(project, ['destroy', '-f']);
  assert.deepEqual(await world.left(), []);
});
