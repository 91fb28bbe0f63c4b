import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as net from 'node:net';
import { after, before, test } from 'node:test';
import { poll } from '../../src/host/time.ts';
import { killAll } from '../support/kill-all.ts';
import { processesAbout } from '../support/leftovers.ts';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';

const world = await VagrantWorld.make({ after });
const settings = `
  config.vm.box = "tiny"
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.ssh.insert_key = false
  config.vm.provider(:blockhost) { |blockhost| blockhost.memory = 128; blockhost.disk = 1 }`;
const project = world.project('web', settings);
const states = () => world.states(project);

before(async () => {
  await world.ok(project, ['box', 'add', 'tiny', await libvirtV1Box(world.base)]);
});

/** Vagrant alone gets the signal, as by kill(1): it has to pass on what it means. */
for (const [when, there] of [
  ['while it is made', () => fs.existsSync(`${world.state}/journal`)],
  ['while it boots', () => runs()],
] as const) {
  test(`Ctrl-C during up, ${when}, leaves nothing behind`, async () => {
    const up = world.begin(project, ['up', '--provider=blockhost']);
    const seen = await poll(() => (there() ? true : undefined), {
      deadlineMs: 60_000,
      everyMs: 10,
    });
    assert.ok(seen, up.stderr);
    up.child.kill('SIGINT');
    const { code, stdout, stderr } = await up.done;
    assert.notEqual(code, 0, `${stdout}${stderr}`);
    assert.deepEqual(await states(), { default: 'not_created' });
    assert.deepEqual(await world.left(), []);
  });
}

test('an up that fails leaves nothing behind and says why', async (t) => {
  const somebody = net.createServer();
  const port = await new Promise<number>((resolve) => {
    somebody.listen(0, '127.0.0.1', () => resolve((somebody.address() as net.AddressInfo).port));
  });
  t.after(() => somebody.close());
  const folder = world.project(
    'udp',
    `${settings}
     config.vm.network "forwarded_port", guest: 80, host: ${port}`,
  );
  const taken = await world.run(folder, ['up', '--provider=blockhost']);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, new RegExp(`${port} is already in use`));
  world.project(
    'udp',
    settings
      .replace('disk = 1', 'disk = 1; blockhost.template = "none-000000000000"')
      .replace('config.vm.box = "tiny"', ''),
  );
  const failed = await world.run(folder, ['up', '--provider=blockhost']);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /`blockhost-qemu create` failed: there is no template "none-0+"/);
  assert.deepEqual(await world.states(folder), { default: 'not_created' });
  assert.deepEqual(await world.left(), []);
});

test('everything killed in the middle of up: the next up starts anew', async () => {
  await killedUp();
  const state = (await states()).default;
  assert.ok(state === 'interrupted' || state === 'not_created', state);
  await world.ok(project, ['up']);
  assert.deepEqual(await states(), { default: 'running' });
});

test('a QEMU that hangs is unknown, and stays known', async () => {
  const [qemu] = processesAbout(world.state).filter(({ command }) => command.includes('-pidfile'));
  assert.ok(qemu !== undefined);
  process.kill(qemu.pid, 'SIGSTOP');
  try {
    assert.deepEqual(await states(), { default: 'unknown' });
    const { code, stderr } = await world.run(project, ['up']);
    assert.equal(code, 1);
    assert.match(stderr, /cannot be told: QEMU is alive but does not answer/);
  } finally {
    process.kill(qemu.pid, 'SIGCONT');
  }
  assert.deepEqual(await states(), { default: 'running' });
});

test('destroy after QEMU was killed', async () => {
  for (const { pid } of processesAbout(world.state)) process.kill(pid, 'SIGKILL');
  assert.deepEqual(await states(), { default: 'off' });
  await world.ok(project, ['destroy', '-f']);
  assert.deepEqual(await world.left(), []);
});

test('destroy after everything was killed in the middle of up', async () => {
  await killedUp();
  await world.ok(project, ['destroy', '-f']);
  assert.deepEqual(await states(), { default: 'not_created' });
  assert.deepEqual(await world.left(), []);
});

test('settings that make no sense are refused by their names', async () => {
  const folder = world.project(
    'bad',
    `config.vm.box = "tiny"
     config.vm.network "private_network", type: "dhcp"
     config.vm.provider(:blockhost) { |blockhost| blockhost.memory = "2G" }`,
  );
  const { code, stderr } = await world.run(folder, ['up', '--provider=blockhost']);
  assert.equal(code, 1);
  assert.match(stderr, /blockhost\.memory: must be a number of MB, at least 64, but is "2G"/);
  assert.match(stderr, /config\.vm\.network: private_network needs ip/);
});

test('without our program Vagrant says what is missing', async () => {
  const PATH = (world.env.PATH ?? '').split(':').slice(1).join(':');
  const { code, stderr } = await world.run(project, ['up', '--provider=blockhost'], {
    env: { PATH },
  });
  assert.equal(code, 1);
  assert.match(stderr, /blockhost-qemu is not on the PATH/);
});

function runs(): boolean {
  return processesAbout(world.state).some(({ command }) => command.includes('-pidfile'));
}

/** Vagrant, our commands and QEMU, all at once, when there is something to leave behind. */
async function killedUp(): Promise<void> {
  const up = world.begin(project, ['up', '--provider=blockhost']);
  const journal = `${world.state}/journal`;
  // Beside a journal in the making there is a temporary file.
  const begun = (): string | undefined =>
    fs.existsSync(journal)
      ? fs
          .readdirSync(journal)
          .map((file) => /^([a-z0-9][\w.-]*)\.json$/i.exec(file)?.[1])
          .find((name) => name !== undefined)
      : undefined;
  const name = await poll(begun, { deadlineMs: 60_000, everyMs: 5 });
  assert.ok(name !== undefined, up.stderr);
  up.child.kill('SIGKILL');
  for (const entry of fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid))) {
    try {
      const command = fs.readFileSync(`/proc/${entry}/cmdline`, 'latin1');
      if (command.includes(name)) process.kill(Number(entry), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  await up.done;
  await killAll(world.state);
}
