import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { run } from '../../../src/host/exec.ts';

const sh = async (script: string): Promise<string> =>
  (await run('sh', ['-euc', script])).stdout.trim();

test('systemd is PID 1, everything it was to start runs, and it is Debian', async () => {
  assert.equal(fs.readFileSync('/proc/1/comm', 'utf8'), 'systemd\n');
  assert.equal(await sh('systemctl is-system-running'), 'running');
  assert.match(fs.readFileSync('/etc/os-release', 'utf8'), /^ID=debian$/m);
});

test('cgroup v2 has cpu, io, memory and pids, also in a slice', async () => {
  assert.equal(await sh('stat -f -c %T /sys/fs/cgroup'), 'cgroup2fs');
  assert.equal(await sh('cat /sys/fs/cgroup/cgroup.controllers'), 'cpu io memory pids');
});

test('a scope limits what is started in it, from the start', async () => {
  const command =
    'cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/{cpu.max,memory.max,pids.max}';
  const scope = ['--quiet', '--scope', '--collect', '--slice=lab.slice', '--unit=lab-1.scope'];
  const limits = ['CPUQuota=50%', 'MemoryMax=64M', 'TasksMax=20'].flatMap((p) => ['-p', p]);
  const { stdout } = await run('systemd-run', [...scope, ...limits, 'bash', '-c', command]);
  assert.deepEqual(stdout.split('\n'), ['50000 100000', String(64 * 1024 * 1024), '20']);
});

test('the bridge is up with an IPv4 and an IPv6 subnet, and takes isolated ports', async () => {
  const addresses = await sh('ip -br address show br0');
  assert.match(addresses, /UP .*192\.0\.2\.1\/24 .*2001:db8:b10c::1\/64/);
  await sh('ip tuntap add tap7i0 mode tap; ip link set tap7i0 master br0');
  await sh('bridge link set dev tap7i0 isolated on');
  assert.match(await sh('bridge -d link show dev tap7i0'), /isolated on/);
  await sh('ip link delete tap7i0');
});

test('nftables takes a bridge table with what anti-spoofing needs, atomically', async () => {
  await run('nft', ['-f', '-'], {
    input: `table bridge lab {
      set v4 { typeof iifname . ether saddr . ip saddr; }
      set v6 { typeof iifname . ether saddr . ip6 saddr; }
      chain c { type filter hook prerouting priority 0; policy accept;
        iifname . ether saddr . ip saddr @v4 accept
        ether type arp arp operation request counter
        icmpv6 type nd-router-advert drop
        udp sport 67 counter drop
      }
    }`,
  });
  assert.match(await sh('nft list table bridge lab'), /nd-router-advert drop/);
  await sh('nft delete table bridge lab');
});

test('tc shapes both ways: tbf, police, and redirection to an ifb', async () => {
  await sh(`ip link add v0 type veth peer name v1
    ip link add i0 type ifb
    ip link set v0 up; ip link set i0 up
    tc qdisc add dev v0 root tbf rate 8mbit burst 16k latency 50ms
    tc qdisc add dev v0 clsact
    tc filter add dev v0 ingress protocol all matchall action mirred egress redirect dev i0
    tc filter add dev v0 egress protocol all matchall action police rate 8mbit burst 16k conform-exceed drop
    tc qdisc add dev i0 root tbf rate 8mbit burst 16k latency 50ms`);
  assert.match(await sh('tc qdisc show dev i0'), /tbf .*rate 8Mbit/);
  assert.match(await sh('tc filter show dev v0 egress'), /police/);
  await sh('ip link delete v0; ip link delete i0');
});

test('a guest-facing DHCP server answers on the bridge', async () => {
  await sh('ip netns add guest; ip link add g0 type veth peer name g1 netns guest');
  await sh('ip link set g0 master br0 up; ip -n guest link set g1 up');
  const lease = await sh('ip netns exec guest busybox udhcpc -i g1 -n -q -f -s /bin/true 2>&1');
  assert.match(lease, /lease of 192\.0\.2\.\d+ obtained/);
  await sh('ip netns delete guest');
});

test('there is no KVM: guests are emulated everywhere', () => {
  assert.equal(fs.existsSync('/dev/kvm'), false);
});
