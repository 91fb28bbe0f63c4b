import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { poll } from '../../src/host/time.ts';
import { renderMetaData } from '../../src/image/meta-data.ts';
import { renderNetworkConfig } from '../../src/image/network-config.ts';
import { renderUserData } from '../../src/image/user-data.ts';
import { yamlText } from '../../src/image/yaml-text.ts';
import { MiB } from '../../src/types.ts';
import { DebianGuest, GUEST_MAC } from '../support/debian-guest.ts';
import { debianTemplate } from '../support/debian-template.ts';

let guest: DebianGuest;
before(async () => {
  const { template } = await debianTemplate();
  const base = renderUserData({ username: 'admin', hostname: 'web_1', wallet: '0xAbC' });
  const userData = {
    ...JSON.parse(base.replace('#cloud-config\n', '')),
    write_files: [{ path: '/etc/written', content: 'text', permissions: '0600' }],
    bootcmd: [['touch', '/root/boot-command']],
    runcmd: [['sh', '-c', 'id -un > /root/run-command']],
  };
  guest = await DebianGuest.boot(
    template.image,
    {
      userData: `#cloud-config\n${yamlText(userData)}`,
      metaData: renderMetaData({ instanceId: 'one', hostname: 'web_1' }),
      networkConfig: renderNetworkConfig({
        mac: GUEST_MAC,
        ipv4: { address: '10.0.2.15', prefixLength: 24, gateway: '10.0.2.2' },
        ipv6: { address: 'fd00:1::7', gateway: 'fd00:1::1' },
        nameservers: ['10.0.2.3'],
      }),
    },
    20,
  );
});
after(() => guest?.end());

test('a template boots by its own boot loader: agent, account, then ssh', async (t) => {
  await guest.sh('true');
  const agent = [guest.seconds, guest.cpuSeconds];
  await guest.until('id -u admin');
  const user = [guest.seconds, guest.cpuSeconds];
  assert.match(await guest.sshBanner(), /^SSH-2\.0-OpenSSH/);
  const ssh = [guest.seconds, guest.cpuSeconds];
  t.diagnostic(`seconds [wall, CPU]: agent ${agent}, account ${user}, ssh ${ssh}`);
  assert.equal(
    await guest.sh('getent passwd admin; hostname; sudo -n -u admin sudo -n id -u'),
    'admin:x:1000:1000:wallet=0xAbC:/home/admin:/bin/bash\nweb-1\n0',
  );
});

test('cloud-init does all that user-data asks for, without errors', async () => {
  await guest.until('test -e /run/cloud-init/result.json');
  const status = await guest.sh('cloud-init status --long');
  assert.match(status, /^status: done$/m);
  assert.equal(await guest.sh('systemctl --failed --no-legend'), '');
  assert.equal(
    await guest.sh(
      'cat /etc/written /root/run-command; ls /root/boot-command; stat -c %a /etc/written',
    ),
    'textroot\n/root/boot-command\n600',
  );
});

test('the root file system has grown to the disk', async () => {
  const size = Number(await guest.sh('df --output=size -BG / | tail -n 1 | tr -dc 0-9'));
  assert.ok(size >= 19, `${size} GB`);
});

test('the network is as the seed says, the IPv6 gateway being on the link', async () => {
  assert.match(await guest.sh('ip -o addr show dev eth0'), /10\.0\.2\.15\/24[\s\S]*fd00:1::7\/128/);
  assert.match(await guest.sh('ip route show default'), /^default via 10\.0\.2\.2 dev eth0/);
  const routes = await guest.sh('ip -6 route show');
  assert.match(routes, /^fd00:1::1 dev eth0/m);
  assert.match(routes, /^default via fd00:1::1 dev eth0/m);
  assert.match(await guest.sh('resolvectl dns eth0'), /10\.0\.2\.3/);
});

test('what BlockHost asks of sshd, and of a clean image, holds', async () => {
  assert.equal(
    await guest.sh('head -n 1 /etc/ssh/sshd_config'),
    'Include /etc/ssh/sshd_config.d/*.conf',
  );
  assert.match(await guest.sh('sshd -T'), /^kbdinteractiveauthentication yes$/m);
  assert.equal(await guest.sh('ls /etc/ssh/ssh_host_*_key'), '/etc/ssh/ssh_host_ed25519_key');
  assert.match(await guest.sh('cat /etc/machine-id'), /^[0-9a-f]{32}$/);
  assert.equal(await guest.sh('ls /var/lib/apt/lists | grep -c Packages || :'), '0');
  assert.match(await guest.sh('cat /etc/apt/sources.list'), /^deb .* main$/m);
  // getty comes up beside all of this, later on a busy host.
  const login = (): true | undefined => (/web-1 login:/.test(guest.console) ? true : undefined);
  assert.ok(await poll(login, { deadlineMs: 120_000, everyMs: 200 }), guest.console);
  const initramfs = Number(await guest.sh('stat -L -c %s /initrd.img'));
  assert.ok(initramfs < 3 * MiB, `initramfs of ${initramfs} bytes`);
});

test('a kernel upgrade takes effect: update-grub makes the configuration of the next start', async () => {
  await guest.sh(
    `echo 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX upgraded=yes"' > /etc/default/grub.d/99-test.cfg`,
  );
  const boot = await guest.sh('cat /proc/sys/kernel/random/boot_id');
  // What the kernel's package does when it is installed, but for the initramfs, which takes minutes here.
  await guest.sh('/etc/kernel/postinst.d/zz-update-grub "$(uname -r)"');
  await guest.sh('systemctl --no-block reboot');
  await guest.until(`! grep -q ${boot} /proc/sys/kernel/random/boot_id`);
  const cmdline = await guest.sh('cat /proc/cmdline');
  assert.match(cmdline, / upgraded=yes/);
  assert.match(cmdline, /root=UUID=/);
  assert.equal(await guest.sh('id -u admin'), '1000');
});
