import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { poll } from '../../src/host/time.ts';
import {
  complaintsOf,
  fieldsOf,
  type SetupOrder,
  type SetupSeen,
  setupCommand,
} from '../support/blockhost/setup.ts';
import { BlockhostHost } from './host/blockhost-host.ts';
import { PROJECT } from './host/install-program.ts';

// Set up by the wizard; then an engine whose work is interrupted in the middle.

const blockhost = await BlockhostHost.boot({ after }, ['0.1.0']);
const host = blockhost.lab;
const sh = (script: string, options?: { timeoutMs: number }): Promise<string> =>
  host.sh(script, options);
/** Where the installer keeps how far it is. */
const STATE = '/var/lib/blockhost/setup-state.json';

before(async () => {
  await sh('dpkg -i /lab/share/0.1.0.deb');
});

test('the wizard’s page shows what this host has, refuses what is wrong, and leads on', async () => {
  await sh('mkdir -p /srv/disks');
  const seen = await setup({
    refused: [
      { bridge: 'uplink0', storage_path: '/etc/disks' },
      { ip_network: '203.0.113.0/24', ip_start: '300', gc_grace_days: 'never' },
    ],
    form: { storage_path: '/srv/disks', gc_grace_days: '3', unknown: '1' },
  });
  assert.equal(seen.stranger.location, '/login');
  const { bridge, ip_network, gateway, storage_path } = fieldsOf(seen.page);
  assert.deepEqual([bridge, ip_network, gateway], ['br0', '192.0.2.0/24', '192.0.2.1']);
  assert.equal(storage_path, '/var/lib/blockhost-qemu');
  for (const fact of ['none \\(emulation\\)', '1', '[\\d.]+ GB', '\\d+ GB'])
    assert.match(seen.page.text, new RegExp(`<dd>${fact}</dd>`));
  assert.deepEqual(
    seen.refused.map((answer) => [answer.status, Object.keys(complaintsOf(answer))]),
    [
      [400, ['bridge', 'storage_path']],
      [400, ['ip_start', 'gateway', 'gc_grace_days']],
    ],
  );
  assert.equal(seen.accepted.location, '/wizard/connectivity');
  assert.match(seen.summary.text, /\/srv\/disks/);
  // Nobody has brought packages, which only the program knows to be a fault.
  assert.deepEqual(statusOf(seen), ['completed', 'completed', 'completed', 'failed']);
  assert.match(seen.steps.template?.error ?? '', /template-packages/);
  assert.match(seen.progress.at(-1) ?? '', /template-packages/);
});

test('its steps leave storage, db.yaml and network as others expect them, also when repeated', async () => {
  const check = async (): Promise<void> => {
    assert.equal(await sh('stat -c "%U:%G %a" /etc/blockhost/db.yaml'), 'root:blockhost 640');
    assert.match(await sh('cat /etc/blockhost/db.yaml'), /^bridge: br0$/m);
    assert.match(await sh('cat /etc/blockhost/db.yaml'), /^gc_grace_days: 3$/m);
    assert.match(await sh('cat /etc/blockhost/db.yaml'), /network: 192\.0\.2\.0\/24/);
    assert.equal(await sh('findmnt -no FSROOT /var/lib/blockhost-qemu'), '/srv/disks');
    assert.equal(await sh('ls /srv/disks'), 'templates\nvms');
  };
  await check();
  await sh(`rm ${STATE}.again 2>/dev/null || :`);
  const form = { storage_path: '/srv/disks', gc_grace_days: '3' };
  const again = await setup({ state: `${STATE}.again`, refused: [], form });
  assert.deepEqual(statusOf(again), ['completed', 'completed', 'completed', 'failed']);
  await check();
});

for (const [what, interrupt] of [
  ['Ctrl-C', 'pkill -INT -f -o "bin/blockhost-vm-create web1"'],
  ['a restart of the engine', "systemctl stop 'run-*.service'"],
  // Its handler is ended with it, while QEMU is being started.
  ['a restart of the root agent', 'systemctl restart blockhost-root-agent'],
] as const) {
  test(`${what} in the middle of create leaves nothing`, async () => {
    const creating = blockhost.create('web1');
    await until('pgrep -x qemu-system-x86');
    await sh(interrupt);
    const { code, stdout } = await creating;
    if (what === 'a restart of the root agent' && code === 0) {
      // The request was just answered.
      const { code: destroyed } = await blockhost.engine('blockhost-vm-destroy', 'web1');
      assert.equal(destroyed, 0);
    } else {
      assert.notEqual(code, 0);
      assert.doesNotMatch(stdout, /BLOCKHOST_RESULT/);
    }
    await until('! pgrep -f blockhost-vm-creat[e]');
    assert.equal(await sh('pgrep -x qemu-system-x86 || :'), '');
    assert.equal(await sh('ls /srv/disks/vms'), '');
    assert.equal(await sh('ls /run/blockhost/provisioning.lock 2>/dev/null || :'), '');
    const { vms, allocated_ips } = await blockhost.database();
    assert.deepEqual(
      Object.values(vms).filter(({ status }) => status !== 'destroyed'),
      [],
    );
    assert.deepEqual(
      allocated_ips.filter((ip) => ip !== '192.0.2.1'),
      [],
    );
  });
}

test('setup is tried again, takes the template that is there now, and is completed', async () => {
  // What the creates above have imported.
  await sh('cd /srv/disks/templates && ln -s image-* current');
  const seen = await setup({});
  assert.deepEqual(statusOf(seen), Array(4).fill('completed'));
  assert.equal(seen.config.provisioner.bridge, 'br0');
});

test('while the guest boots, restarts of root agent and sampler, and gc, do not hinder create', async () => {
  const creating = blockhost.create('web1', []);
  await until('[ -s /var/lib/blockhost-qemu/vms/web1/console.log ]');
  await sh('systemctl restart blockhost-root-agent blockhost-qemu-statd');
  await sh('systemctl start blockhost-gc.service');
  const { code, stderr } = await creating;
  assert.equal(code, 0, stderr);
  assert.equal((await blockhost.database()).vms.web1?.status, 'active');
  const said = await blockhost.engine('blockhost-vm-guest-exec', 'web1', 'id -u admin');
  assert.equal(said.stdout.trim(), '1000');
});

test('after a reboot the VM runs again', async () => {
  await host.reboot();
  await until('[ "$(blockhost-vm-status web1)" = active ]', 180_000);
  assert.equal(await sh('findmnt -no FSROOT /var/lib/blockhost-qemu'), '/srv/disks');
});

test('purged, the disk that was mounted for it is free again', async () => {
  const destroyed = await blockhost.engine('blockhost-vm-destroy', 'web1');
  assert.equal(destroyed.code, 0, destroyed.stderr);
  await sh('dpkg -P blockhost-provisioner-qemu');
  assert.equal(await sh('findmnt -no TARGET /var/lib/blockhost-qemu || :'), '');
  assert.equal(
    await sh('ls -d /var/lib/blockhost-qemu /etc/systemd/system/var-lib* 2>/dev/null || :'),
    '',
  );
  assert.equal(await sh('ls -A /srv/disks'), '');
});

/** As the installer runs it: root, in its own folder. Its stand-in lies in the project. */
async function setup(order: Partial<SetupOrder>): Promise<SetupSeen> {
  const input = JSON.stringify({ state: STATE, ...order });
  fs.writeFileSync(path.join(host.share, 'order.json'), input);
  const command = setupCommand(PROJECT).join(' ');
  return JSON.parse(
    await sh(
      `mkdir -p /opt/blockhost && cd /opt/blockhost && PYTHONPATH=/opt/blockhost ${command} </lab/share/order.json`,
      { timeoutMs: 300_000 },
    ),
  );
}

function statusOf({ steps }: SetupSeen): (string | undefined)[] {
  return ['storage', 'network', 'db_config', 'template'].map((name) => steps[name]?.status);
}

async function until(condition: string, deadlineMs = 120_000): Promise<void> {
  const probe = async (): Promise<true | undefined> =>
    (await host.exec(['sh', '-c', condition])).code === 0 || undefined;
  assert.ok(await poll(probe, { deadlineMs, everyMs: 300 }), `never true: ${condition}`);
}
