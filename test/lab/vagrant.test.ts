import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { poll } from '../../src/host/time.ts';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { pluginPackages } from '../support/vagrant/world.ts';
import { LabHost } from './host/lab-host.ts';

/**
 * blockhost.limits on a host that can keep all of them: by root, in systemd's scopes, on a bridge. Vagrant is the
 * machine's own: its /usr lies below the host's, which is the same Debian.
 */
const host = await LabHost.boot({ after });
const WANTED = {
  cpu_quota: 50,
  cpu_shares: 2048,
  bandwidth_in: 9000,
  bandwidth_out: 5000,
  iops_read: 500,
};
const SLICE = '/sys/fs/cgroup/blockhost.slice/blockhost-vm.slice';
const env = {
  VAGRANT_HOME: '/root/vagrant',
  VAGRANT_CHECKPOINT_DISABLE: '1',
  VAGRANT_BOX_UPDATE_CHECK_DISABLE: '1',
  VAGRANT_NO_COLOR: '1',
  VAGRANT_DEFAULT_PROVIDER: 'blockhost',
};
const inProject = (command: string): Promise<string> =>
  host.sh(command, { cwd: '/lab/share', env, timeoutMs: 300_000 });

before(async () => {
  const { gem } = await pluginPackages();
  fs.copyFileSync(gem, path.join(host.share, 'plugin.gem'));
  await libvirtV1Box(host.share);
  writeVagrantfile(WANTED);
  await host.sh(`mkdir /lab/usr
    mount -t hostfs -o ro,/usr none /lab/usr
    mount -t overlay -o lowerdir=/usr:/lab/usr overlay /usr
    mkdir -p /etc/blockhost-qemu
    printf 'root: own\\nstore: embedded\\n' >/etc/blockhost-qemu/config.yaml`);
  await inProject('vagrant plugin install plugin.gem --plugin-clean-sources');
  await inProject('vagrant box add tiny v1.box');
  await inProject('vagrant up');
});

test('limits of CPU, bandwidth and operations are in force: in cgroup, tc and QEMU', async () => {
  const { requested, in_force } = await shown();
  assert.deepEqual([requested, in_force], [WANTED, WANTED]);
  assert.equal(await inScope('cpu.max', 'cpu.weight'), '50000 100000\n200');
  const shapers = await host.sh('tc qdisc show');
  assert.match(shapers, /qdisc tbf .* dev tap\S+ .*rate 9Mbit/);
  assert.match(shapers, /qdisc tbf .* dev ifb\S+ .*rate 5Mbit/);
});

test('the machine is reached at its address, and asked there', async () => {
  const seen = await inProject("vagrant ssh -c 'ip -4 addr show eth0'");
  assert.match(seen, /inet 192\.0\.2\.77\/24 /);
});

test('up takes away the limits that the Vagrantfile no longer names', async () => {
  writeVagrantfile({ cpu_quota: 25 });
  await inProject('vagrant up');
  assert.deepEqual((await shown()).in_force, { cpu_quota: 25 });
  assert.equal(await inScope('cpu.max'), '25000 100000');
  assert.doesNotMatch(await host.sh('tc qdisc show'), /tbf/);
});

test('destroy leaves no scope, tap, shaper, process and file', async () => {
  await inProject('vagrant destroy -f');
  assert.match(await inProject('vagrant status'), /not created \(blockhost\)/);
  // The manager needs a moment to drop a scope.
  const left = (): Promise<string> =>
    host.sh(`ls -d ${SLICE}/*.scope 2>/dev/null || :
      ls /sys/class/net | grep -E '^(tap|ifb)' || :
      pgrep -a qemu-system || :
      ls /var/lib/blockhost-qemu/vms; ls /run/blockhost-qemu`);
  const nothing = async (): Promise<true | undefined> => (await left()) === '' || undefined;
  const gone = await poll(nothing, { deadlineMs: 20_000, everyMs: 200 });
  assert.ok(gone, await left());
});

function vm(): Promise<string> {
  return inProject('cat .vagrant/machines/default/blockhost/id');
}

async function shown(): Promise<{ requested: object; in_force: object }> {
  return JSON.parse(await host.sh(`blockhost-qemu throttle ${await vm()} --show --json`));
}

/** What stands in files of the VM's cgroup. */
async function inScope(...files: string[]): Promise<string> {
  const scope = `${SLICE}/blockhost-vm-${await vm()}.scope`;
  return await host.sh(`cd ${scope} && cat ${files.join(' ')}`);
}

function writeVagrantfile(limits: Record<string, number>): void {
  const ruby = Object.entries(limits).map(([key, value]) => `${key}: ${value}`);
  fs.writeFileSync(
    path.join(host.share, 'Vagrantfile'),
    `Vagrant.configure("2") do |config|
       config.vm.box = "tiny"
       config.vm.synced_folder ".", "/vagrant", disabled: true
       config.ssh.insert_key = false
       config.vm.network "public_network", bridge: "br0", ip: "192.0.2.77", netmask: "255.255.255.0", gateway: "192.0.2.1"
       config.vm.provider :blockhost do |blockhost|
         blockhost.memory = 128
         blockhost.disk = 1
         blockhost.limits = { ${ruby.join(', ')} }
       end
     end
`,
  );
}
