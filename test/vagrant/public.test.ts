import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { processesAbout } from '../support/leftovers.ts';
import { Namespace } from '../support/namespace.ts';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';

test('a public network: a static address on a bridge, by which ssh and the host reach the machine', async () => {
  const world = await VagrantWorld.make({ after });
  const { prefix } = await Namespace.make({ after }, '192.0.2.1/24');
  const project = world.project(
    'web',
    `config.vm.box = "tiny"
     config.vm.synced_folder ".", "/vagrant", disabled: true
     config.ssh.insert_key = false
     config.vm.network "public_network", bridge: "br0", ip: "192.0.2.77", netmask: "255.255.255.0", gateway: "192.0.2.1"
     config.vm.network "forwarded_port", guest: 80, host: 28280
     config.vm.provider(:blockhost) { |blockhost| blockhost.memory = 128; blockhost.disk = 1 }`,
  );
  await world.ok(project, ['box', 'add', 'tiny', await libvirtV1Box(world.base)]);
  const said = await world.run(project, ['up', '--provider=blockhost'], { prefix });
  assert.equal(said.code, 0, `${said.stdout}${said.stderr}`);
  assert.match(said.stdout + said.stderr, /Port 80 is not forwarded: a machine on a bridge/);
  assert.match(said.stdout, /SSH address: 192\.0\.2\.77:22/);
  const [vm] = JSON.parse(await world.program('inspect')).vms;
  assert.deepEqual([vm.addresses, vm.ssh], [['192.0.2.77'], { host: '192.0.2.77', port: 22 }]);
  const seen = await world.ok(
    project,
    ['ssh', '-c', 'ip -4 addr show eth0; ip route; ping -c 1 -w 20 192.0.2.1'],
    { prefix },
  );
  assert.match(seen, /inet 192\.0\.2\.77\/24 /);
  assert.match(seen, /default via 192\.0\.2\.1 /);
  assert.match(seen, /1 packets received/);
  // The guest takes its end of the ssh connection with it, and nobody closes ours.
  const reloaded = await world.run(project, ['reload'], { prefix });
  assert.equal(reloaded.code, 0, `${reloaded.stdout}${reloaded.stderr}`);
  assert.doesNotMatch(reloaded.stdout, /Powering the machine off/);
  // Also while its QEMU hangs.
  const [qemu] = processesAbout(world.state).filter(({ command }) => command.includes('-pidfile'));
  assert.ok(qemu !== undefined);
  process.kill(qemu.pid, 'SIGSTOP');
  await world.ok(project, ['destroy', '-f'], { prefix });
  assert.deepEqual(await world.left(), []);
});
