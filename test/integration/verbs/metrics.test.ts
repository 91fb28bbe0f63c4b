import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readProcessStat } from '../../../src/host/process.ts';
import { poll, sleep } from '../../../src/host/time.ts';
import type { MetricsRecord } from '../../../src/metrics/record.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import type { Finished } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
before(() => sandbox.create('web1'));

const INTEGERS = [
  ...['cpu_count', 'memory_used_mb', 'memory_total_mb', 'disk_used_mb', 'disk_total_mb'],
  ...['disk_read_iops', 'disk_write_iops', 'disk_read_bytes_sec', 'disk_write_bytes_sec'],
  ...['net_rx_bytes_sec', 'net_tx_bytes_sec', 'net_connections', 'uptime_seconds'],
];
const RATES = INTEGERS.filter((key) => /_iops|_sec$/.test(key));

/** The text read as the watchdog reads it: one object and nothing else, integers without point or exponent. */
function parse({ stdout, stderr, code }: Finished): MetricsRecord {
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^\{[^\n]*\}\n$/);
  const record = JSON.parse(stdout);
  assert.deepEqual(
    Object.keys(record).sort(),
    ['cpu_percent', ...INTEGERS, 'guest_agent_responsive', 'state'].sort(),
  );
  for (const key of INTEGERS) assert.match(stdout, new RegExp(`"${key}":-?\\d+[,}]`), key);
  assert.match(stdout, /"cpu_percent":\d+(\.\d+)?,/);
  assert.equal(typeof record.guest_agent_responsive, 'boolean');
  return record;
}

const metrics = async (): Promise<MetricsRecord> => parse(await sandbox.run('metrics', ['web1']));

test('the first call gives 0 for all rates, and what is known at once', async () => {
  const record = await metrics();
  for (const key of [...RATES, 'cpu_percent']) assert.equal(record[key as 'cpu_percent'], 0, key);
  assert.equal(record.state, 'running');
  assert.equal(record.cpu_count, 1);
  assert.equal(record.memory_total_mb, 128);
  assert.equal(record.disk_total_mb, 1024);
});

test('what only the guest knows is asked of its agent', async () => {
  // On a busy host the agent may be late: then a call goes without it.
  const told = async (): Promise<MetricsRecord | undefined> => {
    const record = await metrics();
    return record.guest_agent_responsive && record.net_connections >= 0 ? record : undefined;
  };
  const used = (await poll(told, { deadlineMs: 30_000, everyMs: 200 }))?.disk_used_mb ?? -1;
  assert.ok(used > 0 && used < 200, `${used} MB`);
});

test('used memory is what the guest uses', async () => {
  const used = async (): Promise<number | undefined> =>
    (await metrics()).memory_used_mb || undefined;
  const idle = (await poll(used, { deadlineMs: 15_000, everyMs: 200 })) ?? 0;
  assert.ok(idle > 0 && idle < 100, `${idle} MB`);
  await sandbox.sh('web1', 'dd if=/dev/urandom of=/run/ballast bs=1M count=24 2>/dev/null');
  const more = async (): Promise<true | undefined> =>
    ((await used()) ?? 0) >= idle + 15 ? true : undefined;
  assert.ok(await poll(more, { deadlineMs: 15_000, everyMs: 200 }));
  await sandbox.sh('web1', 'rm /run/ballast');
});

test('cpu_percent is what QEMU really used, and a guest that burns is busy', async () => {
  await sandbox.sh(
    'web1',
    'setsid sh -c "while :; do :; done" </dev/null >/dev/null 2>&1 & echo $! >/run/burner',
  );
  const pid = sandbox.pid('web1');
  await metrics();
  const began = performance.now();
  const ticks = readProcessStat(pid)?.cpuTicks ?? 0;
  await sleep(3000);
  const { cpu_percent } = await metrics();
  const used = (readProcessStat(pid)?.cpuTicks ?? 0) - ticks;
  const truth = (used / (performance.now() - began)) * 1000;
  // One vCPU; QEMU's other threads may add a little, and the number is bounded by what was given.
  assert.ok(Math.abs(cpu_percent - Math.min(100, truth)) < 20, `${cpu_percent} for ${truth}`);
  assert.ok(cpu_percent > 25 && cpu_percent <= 100, `${cpu_percent} %`);
  await sandbox.sh('web1', 'kill -9 $(cat /run/burner)');
  await metrics();
  const idle = async (): Promise<true | undefined> => {
    await sleep(1000);
    return (await metrics()).cpu_percent < cpu_percent / 2 ? true : undefined;
  };
  assert.ok(await poll(idle, { deadlineMs: 30_000, everyMs: 0 }));
});

test('disk rates: bytes and operations, written and read', async () => {
  const bytes = 8 * 1024 * 1024;
  await metrics();
  const began = performance.now();
  await sandbox.sh('web1', 'dd if=/dev/zero of=/data/file bs=64k count=128 conv=fsync 2>/dev/null');
  const written = await metrics();
  const seconds = (performance.now() - began) / 1000;
  const expected = bytes / seconds;
  const { disk_write_bytes_sec: rate, disk_write_iops } = written;
  assert.ok(rate > expected * 0.7 && rate < expected * 3, `${rate} for ${expected} bytes/s`);
  assert.ok(disk_write_iops > 0);
  await sandbox.sh(
    'web1',
    'echo 3 >/proc/sys/vm/drop_caches; dd if=/data/file of=/dev/null bs=64k 2>/dev/null; rm /data/file',
  );
  const read = await metrics();
  assert.ok(read.disk_read_bytes_sec > 0 && read.disk_read_iops > 0);
  assert.ok(read.disk_write_bytes_sec < rate);
});

test('network rates appear when the guest talks', async () => {
  await metrics();
  await sandbox.sh('web1', 'ping -c 20 -i 0.05 -s 1000 10.0.2.2');
  const { net_rx_bytes_sec, net_tx_bytes_sec } = await metrics();
  assert.ok(net_tx_bytes_sec > 1000 && net_rx_bytes_sec > 1000, `${net_rx_bytes_sec}`);
});

test('uptime grows', async () => {
  const first = await metrics();
  await sleep(2100);
  const second = await metrics();
  const more = second.uptime_seconds - first.uptime_seconds;
  assert.ok(more >= 2 && more < 20, `${more} s`);
});

test('a silent agent costs little time and is told', async () => {
  await sandbox.sh('web1', 'mood agent-silent 12');
  await sleep(2500);
  const finished = await sandbox.run('metrics', ['web1']);
  const record = parse(finished);
  assert.equal(record.guest_agent_responsive, false);
  assert.equal(record.state, 'running');
  assert.equal(record.disk_used_mb, -1);
  assert.equal(record.net_connections, -1);
  assert.ok(finished.seconds < 3, `${finished.seconds} s`);
  const back = async (): Promise<true | undefined> =>
    (await metrics()).guest_agent_responsive ? true : undefined;
  assert.ok(await poll(back, { deadlineMs: 60_000, everyMs: 200 }));
});

test('a paused VM is told as such', async () => {
  const { qmp } = sandbox.files('web1');
  await withQmp(qmp, (client) => client.execute('stop'));
  assert.equal((await metrics()).state, 'paused');
  await withQmp(qmp, (client) => client.execute('cont'));
});

test('a QEMU that hangs costs what only it knows, within 2 s', async () => {
  const pid = sandbox.pid('web1');
  process.kill(pid, 'SIGSTOP');
  const finished = await sandbox.run('metrics', ['web1']);
  process.kill(pid, 'SIGCONT');
  const record = parse(finished);
  assert.equal(record.state, 'unknown');
  assert.deepEqual([record.cpu_count, record.memory_total_mb, record.disk_used_mb], [1, 128, -1]);
  assert.ok(record.uptime_seconds > 0);
  assert.ok(finished.seconds < 3, `${finished.seconds} s`);
});

test('a VM that is off: zeros and exit code 0', async () => {
  await sandbox.ok('kill', ['web1']);
  const record = await metrics();
  for (const key of [...RATES, 'cpu_percent', 'uptime_seconds', 'memory_used_mb'])
    assert.equal(record[key as 'cpu_percent'], 0, key);
  assert.equal(record.state, 'stopped');
  assert.equal(record.guest_agent_responsive, false);
  assert.equal(record.memory_total_mb, 128);
  assert.deepEqual([record.disk_used_mb, record.net_connections], [-1, -1]);
});

test('a new run starts with rates of 0, not with false ones', async () => {
  await sandbox.ok('start', ['web1']);
  const record = await metrics();
  for (const key of [...RATES, 'cpu_percent']) assert.equal(record[key as 'cpu_percent'], 0, key);
  assert.ok(record.uptime_seconds < 30);
  assert.equal(record.state, 'running');
});

test('a VM that does not exist', async () => {
  const { code, stdout, stderr } = await sandbox.run('metrics', ['web2']);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^blockhost-vm-metrics: VM web2 does not exist; [^\n]+\n$/);
});
