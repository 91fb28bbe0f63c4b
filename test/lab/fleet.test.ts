import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { tinyGuest } from '../support/tiny-guest/build.ts';
import { LabHost } from './host/lab-host.ts';

// What happens to VMs when their host goes down and comes up again.

const host = await LabHost.boot({ after });
const SETTINGS = {
  store: 'embedded',
  network: 'bridge',
  bridge: 'br0',
  ip_pool: { network: '192.0.2.0/24', start: 10, end: 99, gateway: '192.0.2.1' },
  ready_timeout: 300,
};
const LONG = { timeoutMs: 400_000 };

const status = (name: string): Promise<string> =>
  host.sh(`blockhost-vm-status ${name}`).then((text) => text.trim());

/** Waits until the guest agent answers. */
const up = (name: string): Promise<string> =>
  host.sh(
    `for i in $(seq 100); do blockhost-vm-guest-exec ${name} true 2>/dev/null && exit; sleep 1; done; exit 1`,
    LONG,
  );

const LIMITS = { cpu_shares: 2048, bandwidth_out: 50_000, iops_write: 5000 };

/** Reads back from kernel and QEMU. */
async function assertLimited(name: string): Promise<void> {
  const shown = JSON.parse(await host.sh(`blockhost-vm-throttle ${name} --show --json`));
  assert.deepEqual([shown.requested, shown.in_force], [LIMITS, LIMITS]);
}

before(async () => {
  fs.copyFileSync(await tinyGuest(), path.join(host.share, 'guest.qcow2'));
  await host.sh(`
    mkdir -p /etc/blockhost-qemu
    cat >/etc/blockhost-qemu/config.yaml <<'YAML'
${JSON.stringify(SETTINGS)}
YAML
    install -m644 /lab/share/guest.qcow2 /srv/guest.qcow2
    sync`);
  for (const name of ['web1', 'web2'])
    await host.sh(
      `blockhost-vm-create ${name} --image /srv/guest.qcow2 --memory 96 --disk 1 --apply`,
      LONG,
    );
  const options = '--cpu-shares 2048 --bandwidth-out 50000 --iops-write 5000';
  await host.sh(`blockhost-vm-throttle web1 ${options}`);
  await assertLimited('web1');
});

test('an orderly reboot: guests are powered off before their scopes go, and are back afterwards', async () => {
  // The guest's last act is slow, as that of a real one: cut off, it would not be there.
  await host.sh(
    `blockhost-vm-guest-exec web1 'printf "#!/bin/sh\\nsleep 3; date >/data/last-act; sync\\n" >/data/on-shutdown; chmod +x /data/on-shutdown'`,
  );
  await host.sh('blockhost-vm-kill web2');
  await host.reboot();
  await host.sh('systemctl is-active blockhost-qemu-vms.service');
  // One that was off when the host went down has an active record as well.
  for (const name of ['web1', 'web2']) {
    await up(name);
    assert.equal(await status(name), 'active');
  }
  await assertLimited('web1');
  // The agent is there before the guest's disk is.
  const lastAct = 'until grep -q " /data " /proc/mounts; do sleep 1; done; cat /data/last-act';
  assert.match(await host.sh(`blockhost-vm-guest-exec web1 '${lastAct}'`), /\d{4}/);
  // Each start was seen to its end.
  assert.equal((await host.sh('ls /var/lib/blockhost/qemu/journal')).trim(), '');
});

test('a power cut: nothing stale confuses a verb, and the VMs are back', async () => {
  await host.sh('sync');
  await host.cutPower();
  await host.switchOn();
  await up('web1');
  assert.equal(await status('web1'), 'active');
  await assertLimited('web1');
  const pid = (await host.sh('cat /run/blockhost-qemu/web1/qemu.pid')).trim();
  assert.match(await host.sh(`cat /proc/${pid}/comm`), /qemu-system/);
  assert.match(await host.sh('blockhost-vm-stop web1', LONG), /the guest powered down/);
  await host.sh('blockhost-vm-start web1');
  assert.equal(await status('web1'), 'active');
});

test('VMs that are off stay off when their record says that they are suspended', async () => {
  await host.sh('blockhost-vm-destroy web2');
  await host.sh('blockhost-vm-stop web1', LONG);
  await host.sh(
    `sed -i 's/"status": "active"/"status": "suspended"/' /var/lib/blockhost/qemu/vms.json; sync`,
  );
  await host.cutPower();
  await host.switchOn();
  await host.sh('systemctl is-active blockhost-qemu-vms.service');
  assert.equal(await status('web1'), 'suspended');
  await host.sh('blockhost-vm-destroy web1');
  assert.equal((await host.sh('ls /var/lib/blockhost-qemu/vms')).trim(), '');
  assert.doesNotMatch(await host.sh('nft list ruleset'), /tap\d+i0/);
});
