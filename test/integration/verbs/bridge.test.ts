import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { lockFile } from '../../../src/host/lock.ts';
import { poll } from '../../../src/host/time.ts';
import { parseVmName } from '../../../src/types.ts';
import { START_STEPS } from '../../../src/vm/start-steps.ts';
import { startDhcpServer } from '../../support/dhcp-server.ts';
import { ALL_CREATE_STEPS, faultsOf, messageOfFault, tinySpec } from '../../support/faults.ts';
import { Namespace } from '../../support/namespace.ts';
import { type Finished, programFile, Running } from '../../support/program.ts';
import { driver, outcomes } from '../../support/run-driver.ts';
import { Sandbox } from '../../support/sandbox.ts';

// The first octets of a documentation network (RFC 5737).
const POOL = { network: '192.0.2.0/24', start: 10, end: 12, gateway: '192.0.2.1' };

const namespace = await Namespace.make({ after }, '192.0.2.1/24');
const { prefix } = namespace;
const sandbox = await Sandbox.make({ after }, { network: 'bridge', bridge: 'br0', ip_pool: POOL });

const run = (verb: string, ...args: string[]): Promise<Finished> =>
  sandbox.run(verb, args, { prefix });
const ok = (verb: string, ...args: string[]): Promise<string> => sandbox.ok(verb, args, { prefix });
const sh = async (name: string, command: string): Promise<string> =>
  (await ok('guest-exec', name, command)).trimEnd();
const create = (name: string): Promise<string> => ok('create', name, ...sandbox.tiny, '--apply');

async function until(what: string, probe: () => Promise<boolean>): Promise<void> {
  const seen = await poll(async () => ((await probe()) ? true : undefined), {
    deadlineMs: 60_000,
    everyMs: 50,
  });
  assert.ok(seen, what);
}

const noTap = (tap: string): Promise<void> =>
  until(`${tap} is left`, async () => !(await namespace.taps()).includes(tap));

const results: string[] = [];
before(async () => {
  // The first imports the image.
  const first = sandbox.begin('create', ['web1', ...sandbox.tiny, '--apply'], { prefix });
  await first.says(/QEMU runs/);
  const [one, two] = await Promise.all([first.done, create('web2')]);
  results.push(one.stdout, two);
});

test('each VM gets an address of the pool, in result, record and guest', async () => {
  const records = JSON.parse(fs.readFileSync(sandbox.config.paths.records, 'utf8'));
  assert.deepEqual(records.allocated_ips, ['192.0.2.10', '192.0.2.11']);
  for (const [i, name] of ['web1', 'web2'].entries()) {
    const ip = `192.0.2.${10 + i}`;
    assert.equal(JSON.parse(results[i]?.split('\n')[1] ?? '').ip, ip);
    assert.equal(records.vms[name].ip_address, ip);
    assert.equal(records.vms[name].network_mode, 'bridge');
    assert.match(await sh(name, 'ip -4 addr show eth0'), new RegExp(`inet ${ip}/24 `));
    assert.match(await sh(name, 'ip route'), /^default via 192\.0\.2\.1 /m);
  }
});

test('host and guest reach each other', async () => {
  for (const ip of ['192.0.2.10', '192.0.2.11']) {
    const { exitCode, stdout } = await namespace.exec('busybox', 'ping', '-c', '2', '-w', '20', ip);
    assert.equal(exitCode, 0, stdout);
  }
  await sh('web1', 'ping -c 2 -w 20 192.0.2.1');
});

test('two VMs on one bridge do not reach each other', async () => {
  const { code } = await run('guest-exec', 'web1', 'ping -c 2 -w 3 192.0.2.11');
  assert.equal(code, 1);
  for (const tap of ['tap100i0', 'tap101i0'])
    assert.match(await namespace.ip(`-d link show ${tap}`), /isolated on/);
});

test('a second start puts back what somebody else has taken away, under a guest that runs', async () => {
  const filter = async (): Promise<string> =>
    (await namespace.exec('nft', 'list', 'ruleset')).stdout;
  const before = await filter();
  assert.match(before, /192\.0\.2\.10/);
  await namespace.exec('nft', 'flush', 'ruleset');
  await namespace.ip('link set dev tap100i0 type bridge_slave isolated off');
  assert.match(await ok('start', 'web1'), /is running already/);
  assert.match(await filter(), /192\.0\.2\.10/);
  assert.match(await namespace.ip('-d link show tap100i0'), /isolated on/);
  await ok('start', 'web2');
  assert.equal(await filter(), before);
});

test('doctor tells what another program took away of filter and limits, and puts it back', async () => {
  const doctor = async (...args: string[]): Promise<string[]> => {
    const argv = [programFile('blockhost-qemu'), 'doctor', '--json', ...args];
    const { stdout } = await new Running(argv, { env: sandbox.env, prefix }).done;
    const { findings } = JSON.parse(stdout) as { findings: Record<string, string>[] };
    return findings
      .filter(({ subject = '' }) => /^web\d$/.test(subject))
      .map(({ subject, severity, code, repair }) => `${subject} ${severity} ${code} ${repair}`)
      .sort();
  };
  await ok('throttle', 'web1', '--bandwidth-in', '50000');
  assert.deepEqual(await doctor(), []);
  await namespace.exec('nft', 'flush', 'ruleset');
  await namespace.exec('tc', 'qdisc', 'del', 'dev', 'tap100i0', 'root');
  assert.deepEqual(await doctor(), [
    'web1 error unguarded yes',
    'web1 warning unshaped yes',
    'web2 error unguarded yes',
  ]);
  // A request that is under way may have changed the limits, and not yet the record.
  const { paths } = sandbox.host();
  const who = { what: 'VM web1', holder: 'a request', waitMs: 60_000 };
  const request = await lockFile(paths.rootLock(parseVmName('web1')), who);
  assert.deepEqual(await doctor('--repair'), [
    'web1 error unguarded done',
    'web1 warning unshaped failed',
    'web2 error unguarded done',
  ]);
  request.release();
  assert.deepEqual(await doctor('--repair'), ['web1 warning unshaped done']);
  assert.deepEqual(await doctor(), []);
  // The same rate, but what goes at full speed after a pause is another.
  const bucket = ['tbf', 'rate', '50000kbit', 'burst', '20mb', 'limit', '20mb'];
  await namespace.exec(
    'tc',
    'qdisc',
    'replace',
    'dev',
    'tap100i0',
    'root',
    'handle',
    '1:',
    ...bucket,
  );
  assert.deepEqual(await doctor('--repair'), ['web1 warning unshaped done']);
  assert.deepEqual(await doctor(), []);
  await ok('throttle', 'web1', '--reset');
});

test('metrics: what the guest receives is rx, what it sends is tx', async () => {
  const metrics = async (): Promise<Record<string, number>> =>
    JSON.parse(await ok('metrics', 'web1'));
  await metrics();
  // In one direction only: nobody answers to a broadcast.
  await sh('web1', 'ping -c 100 -i 0.01 -w 20 -s 1000 192.0.2.255; true');
  const sending = await metrics();
  const { net_tx_bytes_sec: tx = 0, net_rx_bytes_sec: rx = 0 } = sending;
  assert.ok(tx > 1000 && tx > rx * 5, `tx ${tx}, rx ${rx}`);
  await namespace.exec(
    'perl',
    '-MSocket',
    '-e',
    "socket(S, PF_INET, SOCK_DGRAM, 0); send(S, 'x' x 1000, 0, sockaddr_in(9, inet_aton('192.0.2.10'))) for 1..300",
  );
  const receiving = await metrics();
  const { net_tx_bytes_sec: tx2 = 0, net_rx_bytes_sec: rx2 = 0 } = receiving;
  assert.ok(rx2 > 1000 && rx2 > tx2 * 2, `rx ${rx2}, tx ${tx2}`);
});

test('the tap belongs to QEMU: it is not persistent, and QEMU alone has it', async () => {
  const flags = await namespace.exec('cat', '/sys/class/net/tap100i0/tun_flags');
  // IFF_PERSIST of linux/if_tun.h.
  assert.equal(Number(flags.stdout) & 0x0800, 0);
  const status = fs.readFileSync(`/proc/${sandbox.pid('web1')}/status`, 'utf8');
  assert.match(status, /^CapEff:\t0+$/m);
  assert.doesNotMatch(status, /^Uid:\t0\t/m);
});

test('the tap goes with the VM: stop, kill -9 of QEMU, power-off from inside, destroy', async () => {
  assert.match(await ok('stop', 'web1'), /the guest powered down/);
  assert.deepEqual(await namespace.taps(), ['tap101i0']);

  await ok('start', 'web1');
  assert.deepEqual((await namespace.taps()).sort(), ['tap100i0', 'tap101i0']);
  process.kill(sandbox.pid('web1'), 'SIGKILL');
  await noTap('tap100i0');
  assert.equal(await ok('status', 'web1'), 'suspended\n');

  await ok(
    'guest-exec',
    'web2',
    'setsid sh -c "sleep 0.3; /sbin/poweroff" </dev/null >/dev/null 2>&1 &',
  );
  await noTap('tap101i0');
  assert.equal(await ok('status', 'web2'), 'suspended\n');

  await ok('start', 'web1');
  assert.deepEqual(await namespace.taps(), ['tap100i0']);
  await ok('destroy', 'web1');
  assert.deepEqual(await namespace.taps(), []);
  const records = JSON.parse(fs.readFileSync(sandbox.config.paths.records, 'utf8'));
  assert.deepEqual(records.allocated_ips, ['192.0.2.11']);
});

test('a start with a fault at any step leaves no tap', async () => {
  for (const how of ['throw', 'abort'] as const) {
    const faults = faultsOf(START_STEPS, how);
    for (const { fault, failure, left } of await outcomes(
      sandbox,
      { start: 'web2', faults },
      prefix,
    )) {
      assert.equal(failure, messageOfFault(fault));
      assert.deepEqual(left, [], messageOfFault(fault));
    }
  }
  assert.deepEqual(await namespace.taps(), []);
});

test('a start that was killed leaves no tap once the next verb has run', async () => {
  const faults = faultsOf(START_STEPS, 'kill').filter(({ phase }) => phase === 'done');
  for (const [i, fault] of faults.entries()) {
    const { signal, stderr } = await driver(sandbox, { start: 'web2', faults: [fault] }, prefix);
    assert.equal(signal, 'SIGKILL', stderr);
    await ok(i % 2 === 0 ? 'stop' : 'kill', 'web2');
    assert.deepEqual(await namespace.taps(), [], messageOfFault(fault));
  }
  await ok('destroy', 'web2');
});

test('a create with a fault at any step leaves no tap, no address, nothing', async () => {
  const bridge = { network: 'bridge', bridge: 'br0' } as const;
  const spec = tinySpec(sandbox.image, 'f1', bridge);
  const early = faultsOf(ALL_CREATE_STEPS, 'throw').slice(0, -3);
  for (const { fault, failure, left } of await outcomes(
    sandbox,
    { create: spec, faults: early },
    prefix,
  )) {
    assert.equal(failure, messageOfFault(fault));
    assert.deepEqual(left, [], messageOfFault(fault));
  }
  for (const step of ['addresses', 'tap', 'QEMU', 'guest']) {
    const fault = { step, phase: 'done', how: 'kill' } as const;
    await driver(sandbox, { create: spec, faults: [fault] }, prefix);
    await ok('destroy', 'f1');
    assert.deepEqual(await namespace.taps(), [], step);
  }
  const records = JSON.parse(fs.readFileSync(sandbox.config.paths.records, 'utf8'));
  assert.deepEqual([records.vms, records.allocated_ips, records.reservations], [{}, [], {}]);
});

test('a tap of a start that was killed does not stand in the way of another VM', async () => {
  // Persistent and unused: what such a start leaves.
  const { next_vmid } = JSON.parse(fs.readFileSync(sandbox.config.paths.records, 'utf8'));
  await namespace.ip(`tuntap add dev tap${next_vmid}i0 mode tap`);
  const spec = tinySpec(sandbox.image, 'f2', { network: 'bridge', bridge: 'br0' });
  const fault = { step: 'guest ready', phase: 'do', how: 'throw' } as const;
  const [outcome] = await outcomes(sandbox, { create: spec, faults: [fault] }, prefix);
  assert.equal(outcome?.failure, messageOfFault(fault));
  assert.deepEqual(outcome?.left, []);
});

test('a pool that is used up is told, and nothing is left', async () => {
  const { records } = sandbox.config.paths;
  const database = JSON.parse(fs.readFileSync(records, 'utf8'));
  const full = ['192.0.2.10', '192.0.2.11', '192.0.2.12'];
  fs.writeFileSync(records, JSON.stringify({ ...database, allocated_ips: full }));
  const { code, stdout, stderr } = await run('create', 'web3', ...sandbox.tiny, '--apply');
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(
    stderr,
    /no free address between 192\.0\.2\.10 and 192\.0\.2\.12; destroy a VM, or widen/,
  );
  assert.equal(fs.existsSync(sandbox.files('web3').directory), false);
  fs.writeFileSync(records, JSON.stringify(database));
});

test('a bridge that does not exist, or is none: one line, nothing changed', async () => {
  for (const [bridge, pattern] of [
    ['br9', /br9 does not exist; make it with: ip link add br9 type bridge/],
    ['lo', /lo is not a bridge; name a bridge; ip link show type bridge lists/],
    ['../br0', /is not a valid/],
    ['x'.repeat(16), /is not a valid/],
  ] as const) {
    for (const apply of [[], ['--apply']]) {
      const { code, stdout, stderr } = await run(
        ...(['create', 'web4', ...sandbox.tiny, '--bridge', bridge, ...apply] as const),
      );
      assert.deepEqual([code, stdout], [1, ''], bridge);
      const lines = stderr.trimEnd().split('\n');
      assert.equal(lines.length, 1, stderr);
      assert.match(lines[0] ?? '', pattern);
    }
  }
  assert.equal(fs.existsSync(sandbox.files('web4').directory), false);
});

test('without a pool the guest asks by DHCP, and create tells the address it got', async (t) => {
  const other = await sandbox.sibling({ network: 'bridge', bridge: 'br0' });
  startDhcpServer(t, prefix);
  const said = await other.ok('create', ['dhcp1', ...other.tiny, '--apply'], { prefix });
  assert.equal(JSON.parse(said.split('\n')[1] ?? '').ip, '192.0.2.77');
  await other.ok('destroy', ['dhcp1'], { prefix });
});
