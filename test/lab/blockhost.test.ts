import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { poll } from '../../src/host/time.ts';
import { BlockhostHost } from './host/blockhost-host.ts';

// Set up by the wizard's steps; then an engine whose work is interrupted in the middle.

const blockhost = await BlockhostHost.boot({ after }, ['0.1.0']);
const host = blockhost.lab;
const sh = (script: string): Promise<string> => host.sh(script);

before(async () => {
  await sh('dpkg -i /lab/share/0.1.0.deb');
});

test('the wizard’s steps leave storage, db.yaml and network as others expect them, also when repeated', async () => {
  const out = await sh(`mkdir -p /srv/disks && PYTHONPATH=/opt/blockhost python3 - <<'END'
import json
from blockhost.provisioner_qemu import finalize
config = {"provisioner": {"storage_path": "/srv/disks", "gc_grace_days": "3", "unknown": 1}}
steps = {step[0]: step[2] for step in finalize.steps()}
print(json.dumps([steps[name](config) for name in ("storage", "network", "db_config") * 2]))
print(json.dumps(config["provisioner"]))
END`);
  const [results = '', settings = ''] = out.split('\n');
  assert.deepEqual(JSON.parse(results), Array(6).fill([true, null]));
  assert.equal(JSON.parse(settings).bridge, 'br0');
  assert.equal(await sh('stat -c "%U:%G %a" /etc/blockhost/db.yaml'), 'root:blockhost 640');
  assert.match(await sh('cat /etc/blockhost/db.yaml'), /^bridge: br0$/m);
  assert.match(await sh('cat /etc/blockhost/db.yaml'), /network: 192\.0\.2\.0\/24/);
  assert.equal(await sh('findmnt -no FSROOT /var/lib/blockhost-qemu'), '/srv/disks');
  assert.equal(await sh('ls /srv/disks'), 'templates\nvms');
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

test('while the guest boots a restart of the root agent does not hinder create', async () => {
  const creating = blockhost.create('web1');
  await until('[ -s /var/lib/blockhost-qemu/vms/web1/console.log ]');
  await sh('systemctl restart blockhost-root-agent');
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

async function until(condition: string, deadlineMs = 120_000): Promise<void> {
  const probe = async (): Promise<true | undefined> =>
    (await host.exec(['sh', '-c', condition])).code === 0 || undefined;
  assert.ok(await poll(probe, { deadlineMs, everyMs: 300 }), `never true: ${condition}`);
}
