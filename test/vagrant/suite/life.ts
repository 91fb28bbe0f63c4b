import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as path from 'node:path';
import { before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import type { VagrantWorld } from '../../support/vagrant/world.ts';

/**
 * The life of a machine whose box is that of the given file, and at its end the packaging of a box of our own.
 * @param box called before the first test
 * @returns where that box is, after the last test
 */
export function testLife(world: VagrantWorld, box: () => Promise<string>): string {
  const packaged = path.join(world.base, 'own.box');
  const project = world.project('web', '');
  fs.writeFileSync(path.join(project, 'note'), 'from the host\n');
  let port = 0;
  const configure = (more: string): string =>
    world.project(
      'web',
      `config.vm.box = "tiny"
       config.vm.hostname = "shop"
       config.vm.network "forwarded_port", guest: 8080, host: ${port}
       config.vm.provider :blockhost do |blockhost|
         blockhost.disk = 1
         ${more}
       end
       config.vm.provision "shell", inline: "echo shell >>/data/provisioned", args: ["one"]
       config.vm.provision "file", source: "note", destination: "/data/copied"`,
    );
  const describe = async () => JSON.parse(await world.program('inspect')).vms[0];

  before(async () => {
    port = await freePort();
    configure('blockhost.memory = 128');
    await world.ok(project, ['box', 'add', 'tiny', await box()]);
    await world.ok(project, ['up', '--provider=blockhost']);
  });

  test('up: the box boots, and shell, file and rsync have reached the guest', async () => {
    assert.deepEqual(await world.states(project), { default: 'running' });
    assert.equal(
      await world.ssh(project, 'cat /data/provisioned /data/copied /vagrant/note; hostname'),
      'shell\nfrom the host\nfrom the host\nshop',
    );
  });

  test('the image is in the template store, and nothing leans on the folder of Vagrant', async () => {
    const { template } = await describe();
    const file = path.join(world.state, 'templates', template, 'disk.qcow2');
    const { stdout } = await run('qemu-img', ['info', '-U', file]);
    assert.doesNotMatch(stdout, /backing file/);
  });

  test('ssh -c gives the output and the exit code of the command', async () => {
    const { code, stdout } = await world.run(project, ['ssh', '-c', 'echo said; exit 7']);
    assert.deepEqual([code, stdout.trim()], [7, 'said']);
  });

  test('ssh without -c is ssh itself, and takes what is meant for it', async () => {
    const { code, stdout } = await world.run(project, ['ssh', '--', '-T', 'echo said; exit 7']);
    assert.deepEqual([code, stdout.trim()], [7, 'said']);
  });

  test('port lists what is forwarded, and it leads into the guest', async () => {
    const ports = await world.ok(project, ['port', '--machine-readable']);
    assert.match(ports, new RegExp(`forwarded_port,8080,${port}`));
    const { ssh } = await describe();
    assert.match(ports, new RegExp(`forwarded_port,22,${ssh.port}`));
  });

  test('up of a machine that runs, and provision, only provision', async () => {
    const before = await describe();
    await world.ok(project, ['up']);
    await world.ok(project, ['provision', '--provision-with', 'shell']);
    assert.equal(await world.ssh(project, 'grep -c shell /data/provisioned'), '2');
    assert.equal((await describe()).started_at, before.started_at);
  });

  test('suspend pauses it, resume lets it go on', async () => {
    await world.ok(project, ['suspend']);
    assert.deepEqual(await world.states(project), { default: 'paused' });
    await world.ok(project, ['resume']);
    assert.deepEqual(await world.states(project), { default: 'running' });
  });

  test('a snapshot brings the disk back, and the machine up', async () => {
    await world.ssh(project, 'echo before >/data/state; sync');
    await world.ok(project, ['snapshot', 'save', 'first']);
    await world.ssh(project, 'echo after >/data/state; sync');
    assert.match(await world.ok(project, ['snapshot', 'list']), /^first$/m);
    await world.ok(project, ['snapshot', 'restore', 'first', '--no-provision']);
    assert.equal(await world.ssh(project, 'cat /data/state'), 'before');
    await world.ok(project, ['snapshot', 'delete', 'first']);
    assert.doesNotMatch(await world.ok(project, ['snapshot', 'list']), /^first$/m);
  });

  test('reload applies what the Vagrantfile says now', async () => {
    configure('blockhost.memory = 160');
    await world.ok(project, ['reload']);
    assert.equal((await describe()).memory_mb, 160);
    assert.deepEqual(await world.states(project), { default: 'running' });
  });

  test('halt powers the guest off by itself; up starts it again with the key it got', async () => {
    const said = await world.ok(project, ['halt']);
    assert.match(said, /graceful shutdown/);
    assert.doesNotMatch(said, /Powering the machine off/);
    assert.deepEqual(await world.states(project), { default: 'off' });
    const { code, stderr } = await world.run(project, ['ssh', '-c', 'true']);
    assert.equal(code, 1);
    assert.match(stderr, /must be running/);
    await world.ok(project, ['up']);
    assert.equal(await world.ssh(project, 'cat /data/state'), 'before');
  });

  test('halt --force pulls the plug', async () => {
    assert.match(await world.ok(project, ['halt', '--force']), /Powering the machine off/);
    assert.deepEqual(await world.states(project), { default: 'off' });
  });

  test('package makes a box of our format, destroy leaves nothing', async () => {
    await world.ok(project, ['package', '--output', packaged]);
    assert.ok(fs.statSync(packaged).size > 0);
    await world.ok(project, ['destroy', '-f']);
    assert.deepEqual(await world.states(project), { default: 'not_created' });
    assert.deepEqual(await world.left(), []);
  });

  return packaged;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address() as net.AddressInfo;
      server.close(() => resolve(address.port));
    });
  });
}
