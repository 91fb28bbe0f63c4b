import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { poll } from '../../src/host/time.ts';
import { processesAbout } from '../support/leftovers.ts';
import { Namespace } from '../support/namespace.ts';
import type { Finished, Running } from '../support/program.ts';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';

/**
 * A guest on a bridge that neither answers nor closes its connections, here since its QEMU is stopped. Whoever
 * waited for TCP to give up would be killed by the test first.
 */
const world = await VagrantWorld.make({ after });
const { prefix } = await Namespace.make({ after }, '192.0.2.1/24');
/** A folder that goes at 100 KB/s. */
const slow = path.join(world.base, 'slow');
fs.mkdirSync(slow);
const project = world.project(
  'web',
  `config.vm.box = "tiny"
   config.vm.synced_folder ".", "/data/shared"
   config.vm.synced_folder "${slow}", "/data/slow",
     rsync__verbose: true, rsync__args: ["--verbose", "--archive", "--bwlimit=100"]
   config.ssh.insert_key = false
   config.vm.network "public_network", bridge: "br0", ip: "192.0.2.77", netmask: "255.255.255.0", gateway: "192.0.2.1"
   config.vm.provision "shell", run: "never", name: "slow", inline: "echo begun; sleep 1000"
   config.vm.provider :blockhost do |blockhost|
     blockhost.memory = 128
     blockhost.disk = 1
     blockhost.answer_timeout = 8
   end`,
);

before(async () => {
  await world.ok(project, ['box', 'add', 'tiny', await libvirtV1Box(world.base)]);
  await world.ok(project, ['up', '--provider=blockhost'], { prefix });
});

test('a provisioner of a guest that falls silent ends, and says so', async () => {
  const running = world.begin(project, ['provision', '--provision-with', 'slow'], { prefix });
  const { code, stderr } = await silenced(running, () => running.stdout.includes('begun'));
  assert.equal(code, 1);
  assert.match(stderr, /did not answer by ssh for 8 s \(the machine is \w+ now\)/);
  assert.match(stderr, /blockhost\.answer_timeout/);
});

test('rsync to a guest that falls silent in the middle of a file ends, and says so', async () => {
  const file = path.join(slow, 'large');
  fs.writeFileSync(file, '');
  fs.truncateSync(file, 100 * 1024 * 1024);
  const running = world.begin(project, ['rsync'], { prefix });
  const { code, stdout, stderr } = await silenced(running, () => /-> large$/m.test(running.stdout));
  fs.rmSync(file);
  assert.equal(code, 1, stdout);
  assert.match(stderr, /error when attempting to rsync a synced folder/);
});

test('a guest that has been silent for a while is used again', async () => {
  assert.match(await world.ok(project, ['ssh', '-c', 'echo there'], { prefix }), /there/);
  await world.ok(project, ['rsync'], { prefix });
  await world.ok(project, ['destroy', '-f'], { prefix });
  assert.deepEqual(await world.left(), []);
});

/** Stops QEMU at some moment of a command, and lets it go on when that has ended. */
async function silenced(running: Running, moment: () => boolean): Promise<Finished> {
  const seen = await poll(() => moment() || undefined, { deadlineMs: 60_000, everyMs: 20 });
  assert.ok(seen, `${running.stdout}${running.stderr}`);
  const [qemu] = processesAbout(world.state).filter(({ command }) => command.includes('-pidfile'));
  assert.ok(qemu !== undefined);
  process.kill(qemu.pid, 'SIGSTOP');
  try {
    return await running.done;
  } finally {
    process.kill(qemu.pid, 'SIGCONT');
  }
}
