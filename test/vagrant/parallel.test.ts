import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { Running } from '../support/program.ts';
import { libvirtV2Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';

/** Four machines at once, from a box of libvirt's second format that none of them has imported yet. */
const world = await VagrantWorld.make({ after });
// Vagrant takes a name that begins like the id of a machine for that machine: no hexadecimal digits.
const NAMES = ['one', 'two', 'vier', 'zehn'];
const project = world.project(
  'four',
  `config.vm.box = "tiny2"
   config.vm.synced_folder ".", "/vagrant", disabled: true
   config.vm.provider(:blockhost) { |blockhost| blockhost.memory = 128; blockhost.disk = 1; blockhost.cloud_init = true }
   config.ssh.insert_key = false
   ${JSON.stringify(NAMES)}.each_with_index do |name, index|
     config.vm.define name do |machine|
       machine.vm.network "private_network", ip: "192.168.83.#{10 + index}"
       machine.vm.network "forwarded_port", guest: 8080, host: 28080, auto_correct: true
       machine.vm.provision "shell", inline: "echo #{name} >/data/name"
     end
   end`,
);
let during: Record<string, string> = {};

before(async () => {
  await world.ok(project, ['box', 'add', 'tiny2', await libvirtV2Box(world.base)]);
  const up = world.begin(project, ['up', '--provider=blockhost']);
  // While ids are there and machines are not yet: a status must not make Vagrant forget them.
  const machines = `${project}/.vagrant/machines`;
  const ids = (): number =>
    NAMES.filter((name) => fs.existsSync(`${machines}/${name}/blockhost/id`)).length;
  while (ids() < NAMES.length && up.child.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 20));
  during = await world.states(project);
  const { code, stdout, stderr } = await up.done;
  assert.equal(code, 0, `${stdout}\n${stderr}`);
});

test('status while they are made tells so, and forgets none', () => {
  assert.deepEqual(Object.keys(during), NAMES);
  for (const state of Object.values(during)) assert.match(state, /^(preparing|running)$/);
});

test('all four run, each provisioned as itself', async () => {
  const running = Object.fromEntries(NAMES.map((name) => [name, 'running']));
  assert.deepEqual(await world.states(project), running);
  for (const name of NAMES) assert.equal(await world.ssh(project, 'cat /data/name', [name]), name);
});

test('each image was imported once, and each machine has its second disk', async () => {
  assert.equal(fs.readdirSync(`${world.state}/templates`).length, 2);
  assert.equal(await world.ssh(project, 'head -c 4 /dev/vdc', ['zehn']), 'data');
});

test('they do not collide on the port they all ask for', async () => {
  const { vms } = JSON.parse(await world.program('inspect'));
  const ports = vms.map((vm: { forwards: { host_port: number }[] }) => vm.forwards[0]?.host_port);
  assert.equal(new Set(ports).size, NAMES.length, String(ports));
  assert.ok(ports.includes(28080));
});

test('they reach each other by their static addresses', async () => {
  const said = await world.ssh(project, 'ping -c 1 -w 20 192.168.83.13 | grep received', ['one']);
  assert.match(said, /1 packets received/);
});

test('status costs at most 0.3 s more than without a machine, and 0.05 s for each further one', async (t) => {
  const empty = world.project('none', 'config.vm.box = "tiny2"');
  const seconds: [number, number][] = [];
  for (let i = 0; i < 5; i++) seconds.push([await cpuOf(project, 'one'), await cpuOf(empty, '')]);
  const ours = Math.min(...seconds.map(([first]) => first));
  const without = Math.min(...seconds.map(([, second]) => second));
  t.diagnostic(`CPU: ${ours.toFixed(2)} s with a machine, ${without.toFixed(2)} s without`);
  assert.ok(ours - without <= 0.3 + 0.05 * (NAMES.length - 1), `${ours} s, ${without} s`);
});

/** CPU seconds of `vagrant status` and all it starts: the least of some is what it takes on a machine that has time. */
async function cpuOf(cwd: string, name: string): Promise<number> {
  const argv = ['sh', '-c', `vagrant status ${name} >/dev/null; times`];
  const { stdout } = await new Running(argv, { cwd, env: world.env }).done;
  // Second line: user and system time of what the shell has started.
  const [, children = ''] = stdout.trim().split('\n');
  const parts = [...children.matchAll(/(\d+)m([\d.]+)s/g)];
  assert.equal(parts.length, 2, stdout);
  return parts.reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0);
}

test('all four are destroyed at once, and nothing is left', async () => {
  await world.ok(project, ['destroy', '-f', '--parallel']);
  assert.deepEqual(await world.left(), []);
});
