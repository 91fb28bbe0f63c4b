import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { poll } from '../../src/host/time.ts';
import { ENGINES } from '../support/blockhost/engine-parsers.ts';
import { guestPackage } from '../support/blockhost/guest-package.ts';
import {
  complaintsOf,
  fieldsOf,
  type SetupOrder,
  type SetupSeen,
  setupCommand,
} from '../support/blockhost/setup.ts';
import { BlockhostHost, WALLET } from './host/blockhost-host.ts';
import { debianMirror } from './host/debian-mirror.ts';
import { PROJECT } from './host/install-program.ts';

// Set up by the wizard; then an engine whose work is interrupted in the middle, and a VM that lives on a template built
// from packages.

// So little memory since QEMU takes an eighth of it for translated code, which has to be small as well (docs/lab.md).
const blockhost = await BlockhostHost.boot({ after }, ['0.1.0'], {
  memoryMb: 1024,
  mounts: [{ from: await debianMirror(), to: '/lab/mirror', mode: 'ro' }],
});
const host = blockhost.lab;
const sh = (script: string, options?: { timeoutMs: number }): Promise<string> =>
  host.sh(script, options);
/** Where the installer keeps how far it is. */
const STATE = '/var/lib/blockhost/setup-state.json';
const SERVICES = [
  'blockhost-root-agent.service',
  'blockhost-monitor.service',
  'blockhost-qemu-statd.service',
  'blockhost-qemu-restart.path',
  'blockhost-gc.timer',
];
/** In MB. An engine leaves it at 2048, more than a process of User-mode Linux can have (docs/lab.md). */
const MEMORY = 256;

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

test('setup is tried again when there are packages, builds the template and is completed', async () => {
  guestPackage(host.share);
  await sh(`
    mkdir -p /var/lib/blockhost/template-packages
    cp /lab/share/blockhost-setup_*.deb /var/lib/blockhost/template-packages/
    systemd-run --quiet --unit=mirror busybox httpd -f -p 192.0.2.1:80 -h /lab/mirror
    rm -rf /etc/apt/sources.list.d/*
    . /etc/os-release
    echo "deb [trusted=yes] http://192.0.2.1/debian $VERSION_CODENAME main" >/etc/apt/sources.list`);
  await until('socat -T 5 -u OPEN:/dev/null TCP:192.0.2.1:80');
  const seen = await setup({});
  assert.deepEqual(statusOf(seen), Array(4).fill('completed'), seen.steps.template?.error ?? '');
  assert.equal(seen.config.provisioner.bridge, 'br0');
  assert.ok(seen.progress.length >= 5, seen.progress.join('\n'));
  assert.equal(seen.progress.at(-1), 'done');
  const made = JSON.parse(await sh('cat /srv/disks/templates/current/template.json'));
  assert.equal(made.source.kind, 'bootstrap');
  assert.deepEqual(made.packages, ['blockhost-setup 1.2.3']);
});

test('while the guest boots, restarts of root agent and sampler, and gc, do not hinder create', async (t) => {
  // What the build has left in the host's memory is in the way of QEMU (docs/lab.md).
  await sh('sync; echo 3 >/proc/sys/vm/drop_caches; echo 1 >/proc/sys/vm/compact_memory');
  const began = performance.now();
  let said = '';
  const creating = blockhost.create('web1', ['--memory', String(MEMORY)], (bytes) => {
    said += bytes.toString();
  });
  const boots = (): true | undefined => said.includes('waiting for the guest') || undefined;
  assert.ok(await poll(boots, { deadlineMs: 120_000, everyMs: 100 }), said);
  await sh('systemctl restart blockhost-root-agent blockhost-qemu-statd');
  await sh('systemctl start blockhost-gc.service');
  const { code, stdout, stderr } = await creating;
  assert.equal(code, 0, stderr);
  t.diagnostic(`an engine's create took ${((performance.now() - began) / 1000).toFixed(0)} s`);
  for (const [engine, parse] of Object.entries(ENGINES))
    assert.equal(parse(stdout)?.vm_name, 'web1', engine);
  assert.equal((await blockhost.database()).vms.web1?.status, 'active');
  assert.equal(await inGuest('id -u admin'), '1000');
});

test('the VM is one of the template: its packages, a disk of 20 GB, ssh at its address', async () => {
  assert.match(await inGuest('dpkg -s blockhost-setup'), /^Version: 1\.2\.3$/m);
  const address = (await blockhost.database()).vms.web1?.ip_address;
  await until(`socat -T 5 -u TCP:${address}:22 - | grep -q ^SSH-2.0`);
  await until(
    'blockhost-vm-guest-exec web1 "df --output=size -BG / | tail -n 1" | grep -qE "(19|20)G"',
  );
});

test('while it lives, each service is restarted, and neither QEMU nor the guest notices', async () => {
  const run = 'cat /run/blockhost-qemu/web1/qemu.pid';
  const [pid, boot] = [await sh(run), await inGuest('cat /proc/sys/kernel/random/boot_id')];
  await sh('touch /run/restarts');
  for (const unit of SERVICES) {
    await sh(`systemctl restart ${unit}`);
    assert.equal(await sh(`systemctl is-active ${unit}`), 'active', unit);
  }
  // The sampler has found it again.
  await until('[ /run/blockhost-qemu/.statd/web1 -nt /run/restarts ]');
  assert.equal(await inGuest('cat /proc/sys/kernel/random/boot_id'), boot);
  assert.equal(await sh(run), pid);
  assert.equal((await blockhost.database()).vms.web1?.status, 'active');
});

test('it gets its token, expires, is paid again and comes back', async () => {
  const gecos = ['blockhost-vm-update-gecos', 'web1', WALLET, '--nft-id', '7'];
  const told = await blockhost.engine(...gecos);
  assert.equal(told.code, 0, told.stderr);
  assert.match(await inGuest('getent passwd admin'), new RegExp(`:wallet=${WALLET},nft=7:`));
  await expire('2020-01-01');
  await sh('systemctl start blockhost-gc.service', { timeoutMs: 300_000 });
  assert.equal(await sh('blockhost-vm-status web1'), 'suspended');
  assert.equal((await blockhost.database()).vms.web1?.status, 'suspended');
  // An engine writes the new expiry, then has it resumed.
  await expire('2100-01-01');
  const resumed = await blockhost.engine('blockhost-vm-resume', 'web1');
  assert.equal(resumed.code, 0, resumed.stderr);
  await until('blockhost-vm-guest-exec web1 true');
  assert.match(await inGuest('getent passwd admin'), new RegExp(`:wallet=${WALLET},nft=7:`));
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
      { timeoutMs: 900_000 },
    ),
  );
}

/** What a command says in the guest, asked by the engine. */
async function inGuest(command: string): Promise<string> {
  const { code, stdout, stderr } = await blockhost.engine(
    'blockhost-vm-guest-exec',
    'web1',
    command,
  );
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

/** In the database, as an engine changes it. */
async function expire(day: string): Promise<void> {
  await sh(`python3 - <<'END'
import json
file = "/var/lib/blockhost/vms.json"
content = json.load(open(file))
content["vms"]["web1"]["expires_at"] = "${day}T00:00:00+00:00"
open(file, "w").write(json.dumps(content))
END`);
}

function statusOf({ steps }: SetupSeen): (string | undefined)[] {
  return ['storage', 'network', 'db_config', 'template'].map((name) => steps[name]?.status);
}

async function until(condition: string, deadlineMs = 120_000): Promise<void> {
  const probe = async (): Promise<true | undefined> =>
    (await host.exec(['sh', '-c', condition])).code === 0 || undefined;
  assert.ok(await poll(probe, { deadlineMs, everyMs: 300 }), `never true: ${condition}`);
}
