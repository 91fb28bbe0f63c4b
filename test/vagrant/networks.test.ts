import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { startDhcpServer } from '../support/dhcp-server.ts';
import { Namespace } from '../support/namespace.ts';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';

/**
 * Networks of a box without cloud-init. Vagrant's guest `linux` cannot configure networks, so the Vagrantfile
 * brings that capability for the tiny guest; it shows what the provider hands over by setting it.
 */
const CAPABILITY = `
  module TinyNetworks
    def self.configure_networks(machine, networks)
      networks.each do |net|
        machine.communicate.sudo("ip addr flush dev eth#{net[:interface]}; ip addr add #{net[:ip]}/#{net[:netmask]} dev eth#{net[:interface]}; echo #{net[:interface]} #{net[:ip]} #{net[:netmask]} >>/data/handed")
      end
    end
  end
  class TinyPlugin < Vagrant.plugin("2")
    name "tiny"
    guest_capability(:linux, :configure_networks) { TinyNetworks }
  end`;
const settings = (more: string): string => `
  config.vm.box = "tiny"
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.ssh.insert_key = false
  config.vm.provider(:blockhost) { |blockhost| blockhost.memory = 128; blockhost.disk = 1 }
  ${more}`;

const world = await VagrantWorld.make({ after });
const { prefix } = await Namespace.make({ after }, '192.0.2.1/24');
startDhcpServer({ after }, prefix);

before(async () => {
  await world.ok(project('boxes', ''), ['box', 'add', 'tiny', await libvirtV1Box(world.base)]);
});

test('a public network by DHCP, and a private one beside it whose address Vagrant sets in the guest', async () => {
  const folder = project(
    'web',
    `config.vm.network "public_network", bridge: "br0"
     config.vm.network "private_network", ip: "192.168.97.10", auto_config: false
     config.vm.network "private_network", ip: "192.168.98.10", netmask: "255.255.255.128"`,
    CAPABILITY,
  );
  const said = await world.ok(folder, ['up', '--provider=blockhost'], { prefix });
  assert.match(said, /SSH address: 192\.0\.2\.77:22/);
  assert.match(said, /Configuring and enabling network interfaces/);
  const command = 'cat /data/handed; ip -o -4 addr show; ping -c 1 -w 20 192.0.2.1';
  const seen = await world.ok(folder, ['ssh', '-c', command], { prefix });
  assert.match(seen, /^2 192\.168\.98\.10 255\.255\.255\.128\r?\n/);
  assert.match(seen, /eth0 .*inet 192\.0\.2\.77\/24/);
  assert.match(seen, /eth2 .*inet 192\.168\.98\.10\/25/);
  assert.match(seen, /1 packets received/);
  const ssh = await world.ok(folder, ['ssh-config'], { prefix });
  assert.match(ssh, /HostName 192\.0\.2\.77/);
  await world.ok(folder, ['destroy', '-f'], { prefix });
  assert.deepEqual(await world.left(), []);
});

test('a guest whose networks Vagrant cannot set up is removed again', async () => {
  const folder = project('plain', 'config.vm.network "private_network", ip: "192.168.97.11"');
  const { code, stderr } = await world.run(folder, ['up', '--provider=blockhost']);
  assert.equal(code, 1);
  assert.match(stderr, /configure_networks/);
  assert.deepEqual(await world.states(folder), { default: 'not_created' });
  assert.deepEqual(await world.left(), []);
});

/** A project whose Vagrantfile begins with what stands outside of its settings. */
function project(name: string, more: string, before = ''): string {
  const folder = world.project(name, settings(more));
  const file = path.join(folder, 'Vagrantfile');
  fs.writeFileSync(file, `${before}\n${fs.readFileSync(file, 'utf8')}`);
  return folder;
}
