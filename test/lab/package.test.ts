import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { ENGINES } from '../support/blockhost/engine-parsers.ts';
import { buildPackage } from '../support/package.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { asEngine, LabHost } from './host/lab-host.ts';

// A host as BlockHost's installer leaves it, the built packages, and what an engine does then.

const WALLET = `0x${'aB'.repeat(20)}`;
const directory = temporaryDirectory({ after });
const packages = ['0.1.0', '0.1.1'].map((version) => {
  fs.mkdirSync(path.join(directory, version));
  return buildPackage(path.join(directory, version), version);
});
const host = await LabHost.boot({ after }, { program: false });

const engine = async (...argv: string[]) => host.exec(asEngine(argv), { timeoutMs: 300_000 });
const qemu = (): Promise<string> => host.sh('pgrep -x qemu-system-x86 || :');

before(async () => {
  for (const [i, file] of packages.entries()) {
    fs.copyFileSync(file, path.join(host.share, `${i}.deb`));
  }
  // Common's Python package and what the wizard leaves.
  await host.sh(`
    support=/lab/project/test/support/blockhost
    mkdir -p /usr/lib/python3/dist-packages/blockhost /etc/blockhost/network-modes.enabled
    cp $support/python/blockhost/*.py /usr/lib/python3/dist-packages/blockhost/
    cp -r $support/templates /usr/lib/python3/
    echo '{}' >/etc/blockhost/network-modes.enabled/none.json
    echo 'vmid_range: {start: 100, end: 999999}' >>/etc/blockhost/db.yaml`);
});

test('it installs: timer, folders and the root agent’s door are there', async () => {
  await host.sh('dpkg -i /lab/share/0.deb');
  assert.equal(await host.sh('systemctl is-enabled blockhost-gc.timer'), 'enabled');
  assert.equal(await host.sh('systemctl is-active blockhost-gc.timer'), 'active');
  assert.equal(await host.sh('systemctl is-active blockhost-qemu-vms'), 'active');
  const owners = await host.sh(
    'stat -c "%U %n" /var/lib/blockhost/metrics /var/lib/blockhost/qemu',
  );
  assert.deepEqual(
    owners.split('\n').map((line) => line.split(' ')[0]),
    ['blockhost', 'blockhost'],
  );
  assert.equal(await host.sh('stat -c "%U %a" /var/lib/blockhost-qemu'), 'root 755');
  assert.match(await host.sh('blockhost-qemu --version'), /0\.1\.0/);
  const nobody = await engine('blockhost-vm-status', 'nobody');
  assert.deepEqual([nobody.code, nobody.stdout.trim()], [0, 'unknown']);
});

test('an engine creates a VM, in its sandbox, through the root agent', async () => {
  const created = await engine(
    ...['blockhost-vm-create', 'web1', '--owner-wallet', WALLET, '--expiry-days', '30'],
    ...[
      '--image',
      host.env.BLOCKHOST_TINY_GUEST ?? '',
      '--memory',
      '128',
      '--disk',
      '1',
      '--apply',
    ],
  );
  assert.equal(created.code, 0, created.stderr);
  for (const [name, parse] of Object.entries(ENGINES)) {
    assert.equal(parse(created.stdout)?.vm_name, 'web1', name);
  }
  const database = JSON.parse(await host.sh('cat /var/lib/blockhost/vms.json'));
  assert.equal(database.vms.web1.status, 'active');
  assert.equal(database.vms.web1.network_mode, 'none');
  assert.equal(database.vms.web1.ip_address, '192.0.2.10');
  assert.equal(await host.sh('stat -c %U /var/lib/blockhost/vms.json'), 'blockhost');
  assert.equal(await host.sh('ls /run/blockhost/provisioning.lock 2>/dev/null || :'), '');
  const listed = await engine('blockhost-vm-list', '--format', 'json');
  assert.equal(JSON.parse(listed.stdout)[0].status, 'active');
});

test('an upgrade and a restart of the root agent leave the VM running', async () => {
  const pid = await qemu();
  assert.match(pid, /^\d+$/);
  await host.sh('dpkg -i /lab/share/1.deb && systemctl restart blockhost-root-agent');
  assert.match(await host.sh('dpkg-query -W blockhost-provisioner-qemu'), /0\.1\.1/);
  assert.equal(await qemu(), pid);
  assert.equal(await host.sh('blockhost-vm-status web1'), 'active');
  assert.equal(await host.sh('systemctl is-active blockhost-gc.timer'), 'active');
});

test('the timer’s service collects what has expired, as its own user', async () => {
  await host.sh(`python3 - <<'END'
import json
file = "/var/lib/blockhost/vms.json"
content = json.load(open(file))
content["vms"]["web1"]["expires_at"] = "2020-01-01T00:00:00+00:00"
open(file, "w").write(json.dumps(content))
END`);
  await host.sh('systemctl start blockhost-gc.service');
  assert.equal(await host.sh('blockhost-vm-status web1'), 'suspended');
  const resumed = await engine('blockhost-vm-resume', 'web1');
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.equal(await host.sh('blockhost-vm-status web1'), 'active');
});

test('removed, it leaves disks and configuration; purged, the disks of VMs', async () => {
  await host.sh('dpkg -r blockhost-provisioner-qemu');
  assert.equal(await qemu(), '', 'its VMs are powered off first');
  assert.equal(
    await host.sh('ls /usr/bin/blockhost-* 2>/dev/null || :'),
    '/usr/bin/blockhost-root-agent',
  );
  assert.equal(await host.sh('ls /var/lib/blockhost-qemu/vms'), 'web1');
  await host.sh('dpkg -i /lab/share/1.deb');
  assert.equal(await host.sh('blockhost-vm-list --format names'), 'web1');
  const destroyed = await engine('blockhost-vm-destroy', 'web1');
  assert.equal(destroyed.code, 0, destroyed.stderr);
  await host.sh('dpkg -P blockhost-provisioner-qemu');
  assert.equal(await host.sh('ls -d /var/lib/blockhost-qemu 2>/dev/null || :'), '');
  assert.equal(await host.sh('systemctl is-enabled blockhost-gc.timer 2>/dev/null || :'), '');
  assert.equal(await host.sh('ls /var/lib/blockhost/vms.json'), '/var/lib/blockhost/vms.json');
});
