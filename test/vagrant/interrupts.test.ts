import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { poll } from '../../src/host/time.ts';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';

/** Ctrl-C in the middle of what is done with one machine, in this order: each begins where the last one ended. */
const world = await VagrantWorld.make({ after });
const project = world.project(
  'web',
  `config.vm.box = "tiny"
   config.vm.synced_folder ".", "/vagrant", disabled: true
   config.ssh.insert_key = false
   config.vm.provider(:blockhost) { |blockhost| blockhost.memory = 128; blockhost.disk = 1 }`,
);

before(async () => {
  await world.ok(project, ['box', 'add', 'tiny', await libvirtV1Box(world.base)]);
  await world.ok(project, ['up', '--provider=blockhost']);
});

test('snapshot save: the snapshot is there or not, and the machine runs', async () => {
  await interrupted(['snapshot', 'save', 'first'], atWork);
  assert.equal(await trueState(), 'running');
  const listed = await world.ok(project, ['snapshot', 'list']);
  if (!/^first$/m.test(listed)) await world.ok(project, ['snapshot', 'save', 'first']);
  await world.ok(project, ['snapshot', 'restore', 'first', '--no-start']);
  assert.equal(await trueState(), 'off');
});

test('reload, while it boots: the machine runs, and the next reload works', async () => {
  await interrupted(['reload'], (stdout) => stdout.includes('Waiting for machine to boot'));
  assert.equal(await trueState(), 'running');
  await world.ok(project, ['reload']);
  assert.equal(await world.ssh(project, 'echo there'), 'there');
});

test('halt, while the guest is asked: the state is what it is, and halt can be repeated', async () => {
  await interrupted(['halt'], (stdout) => stdout.includes('graceful shutdown'));
  assert.match(await trueState(), /^(running|off)$/);
  await world.ok(project, ['halt']);
  assert.equal(await trueState(), 'off');
});

test('package, while the disk is exported: no box and no part of one', async () => {
  await interrupted(['package', '--output', 'own.box'], atWork);
  assert.equal(await trueState(), 'off');
  assert.deepEqual(fs.readdirSync(project).sort(), ['.vagrant', 'Vagrantfile']);
  const home = path.join(world.base, 'home', 'tmp');
  assert.deepEqual(fs.existsSync(home) ? fs.readdirSync(home) : [], []);
});

test('destroy: the machine is there or not, and destroy can be repeated', async () => {
  await interrupted(['destroy', '-f'], (stdout) => stdout.includes('Destroying the machine'));
  assert.match(await trueState(), /^(off|interrupted|not_created)$/);
  await world.ok(project, ['destroy', '-f']);
  assert.equal(await trueState(), 'not_created');
  assert.deepEqual(await world.left(), []);
});

/** Vagrant alone gets the signal, as by kill(1). The command must fail, and soon. */
async function interrupted(
  args: readonly string[],
  moment: (stdout: string) => boolean,
): Promise<void> {
  const running = world.begin(project, args);
  const seen = await poll(() => (moment(running.stdout) ? true : undefined), {
    deadlineMs: 60_000,
    everyMs: 5,
  });
  assert.ok(seen, `${running.stdout}${running.stderr}`);
  running.child.kill('SIGINT');
  const { code, stdout, stderr } = await running.done;
  assert.equal(code, 1, `${args[0]}: ${stdout}${stderr}`);
  assert.doesNotMatch(stderr, /bug|\.rb:\d+/, stderr);
}

/** A verb has noted what it is about to do. */
function atWork(): boolean {
  const journal = path.join(world.state, 'journal');
  return fs.existsSync(journal) && fs.readdirSync(journal).some((name) => name.endsWith('.json'));
}

/** What Vagrant says, which must be what our program says when nothing goes on any more. */
async function trueState(): Promise<string> {
  const said = (await world.states(project)).default ?? 'none';
  const { vms } = JSON.parse(await world.program('inspect'));
  assert.equal(vms[0]?.state ?? 'not_created', said);
  return said;
}
