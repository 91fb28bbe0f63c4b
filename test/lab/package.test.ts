import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ENGINES } from '../support/blockhost/engine-parsers.ts';
import { BlockhostHost } from './host/blockhost-host.ts';

// A host as BlockHost's installer leaves it, the built packages, and what an engine does then.

const blockhost = await BlockhostHost.boot({ after }, ['0.1.0', '0.1.1']);
const host = blockhost.lab;
const mainPid = (): Promise<string> => host.sh('systemctl show -P MainPID blockhost-root-agent');
const qemu = (): Promise<string> => host.sh('pgrep -x qemu-system-x86 || :');

test('it installs: timer, folders and the root agent’s door are there', async () => {
  await host.sh('dpkg -i /lab/share/0.1.0.deb');
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
  assert.equal(await host.sh('ls /usr/lib/blockhost-provisioner-qemu/code-cache | wc -l'), '6');
  const nobody = await blockhost.engine('blockhost-vm-status', 'nobody');
  assert.deepEqual([nobody.code, nobody.stdout.trim()], [0, 'unknown']);
});

test('an engine creates a VM, in its sandbox, through the root agent', async () => {
  const created = await blockhost.create('web1');
  assert.equal(created.code, 0, created.stderr);
  for (const [name, parse] of Object.entries(ENGINES)) {
    assert.equal(parse(created.stdout)?.vm_name, 'web1', name);
  }
  const { vms } = await blockhost.database();
  assert.equal(vms.web1?.status, 'active');
  assert.equal(vms.web1?.network_mode, 'manual');
  assert.equal(vms.web1?.ip_address, '192.0.2.10');
  assert.equal(await host.sh('stat -c %U /var/lib/blockhost/vms.json'), 'blockhost');
  assert.match(String(vms.web1?.ipv6_address), /^2001:db8:b10c::/);
  assert.equal(await host.sh('ls /run/blockhost/provisioning.lock 2>/dev/null || :'), '');
  const listed = await blockhost.engine('blockhost-vm-list', '--format', 'json');
  assert.equal(JSON.parse(listed.stdout)[0].status, 'active');
});

test('an upgrade and a restart of the root agent leave the VM running', async () => {
  const pid = await qemu();
  assert.match(pid, /^\d+$/);
  await host.sh('dpkg -i /lab/share/0.1.1.deb && systemctl restart blockhost-root-agent');
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
  const resumed = await blockhost.engine('blockhost-vm-resume', 'web1');
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
  assert.equal(await host.sh('ls -d /usr/lib/blockhost-p* 2>/dev/null || :'), '');
  assert.equal(await host.sh('ls /var/lib/blockhost-qemu/vms'), 'web1');
  // It forgets the actions then, and has to be told of them.
  await host.sh('systemctl restart blockhost-root-agent && dpkg -i /lab/share/0.1.1.deb');
  assert.equal(await host.sh('blockhost-vm-list --format names'), 'web1');
  const agent = await mainPid();
  await host.sh('dpkg -i /lab/share/0.1.1.deb');
  assert.equal(await mainPid(), agent, 'who only replaces it does not disturb the engine');
  const destroyed = await blockhost.engine('blockhost-vm-destroy', 'web1');
  assert.equal(destroyed.code, 0, destroyed.stderr);
  await host.sh('touch /var/lib/blockhost-qemu/thesis');
  await host.sh('dpkg -P blockhost-provisioner-qemu');
  assert.equal(await host.sh('ls -A /var/lib/blockhost-qemu'), 'thesis', 'what is not ours stays');
  assert.equal(await host.sh('systemctl is-enabled blockhost-gc.timer 2>/dev/null || :'), '');
  assert.equal(await host.sh('ls /var/lib/blockhost/vms.json'), '/var/lib/blockhost/vms.json');
});
