import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { readProcessStat } from '../../../src/host/process.ts';
import { poll, sleep } from '../../../src/host/time.ts';
import { readFresh } from '../../../src/metrics/published.ts';
import type { MetricsRecord } from '../../../src/metrics/record.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { parseVmName } from '../../../src/types.ts';
import { programFile } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

/** The sampler on a real QEMU with a real guest and agent. Network figures are those of the guest's agent here. */
const sandbox = await Sandbox.make({ after });
let statd: ChildProcess | undefined;
before(async () => {
  statd = spawn(programFile('blockhost-qemu'), ['statd', '--interval', '1'], {
    env: { ...process.env, ...sandbox.env },
    stdio: 'ignore',
  });
  await sandbox.create('web1');
});
after(async () => {
  const ended = statd === undefined ? undefined : once(statd, 'exit');
  statd?.kill('SIGTERM');
  await ended;
});

const published = (): MetricsRecord | undefined =>
  readFresh(sandbox.config.paths.published(parseVmName('web1')))?.record;

async function until(wanted: (record: MetricsRecord) => boolean): Promise<MetricsRecord> {
  const look = (): MetricsRecord | undefined => {
    const record = published();
    return record !== undefined && wanted(record) ? record : undefined;
  };
  const found = await poll(look, { deadlineMs: 60_000, everyMs: 5 });
  assert.ok(found, JSON.stringify(published()));
  return found;
}

/** Means of each field over some seconds, of what was published one after the other. */
async function means(seconds: number): Promise<(key: keyof MetricsRecord) => number> {
  const seen = new Map<string, MetricsRecord>();
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const now = readFresh(sandbox.config.paths.published(parseVmName('web1')));
    if (now !== undefined) seen.set(String(now.extended.counters?.cpu?.atMs), now.record);
    await sleep(50);
  }
  const records = [...seen.values()].slice(1);
  assert.ok(records.length >= seconds / 2, `${records.length} samples`);
  return (key) => records.reduce((sum, record) => sum + Number(record[key]), 0) / records.length;
}

function within(percent: number, figure: number, truth: number, what: string): void {
  assert.ok(Math.abs(figure - truth) <= (truth * percent) / 100, `${what}: ${figure} for ${truth}`);
}

test('everything is filled in soon, by what the guest has', async () => {
  const record = await until((r) => r.guest_agent_responsive && r.memory_used_mb > 0);
  assert.equal(record.state, 'running');
  assert.ok(record.disk_used_mb >= 0 && record.memory_used_mb < 128);
});

test('the verbs print what is published', async () => {
  assert.equal(await sandbox.ok('status', ['web1']), 'active\n');
  assert.equal(JSON.parse(await sandbox.ok('metrics', ['web1'])).state, 'running');
});

test('CPU: what a guest burns is told within 5 %', async () => {
  await sandbox.sh(
    'web1',
    'setsid sh -c "while :; do :; done" </dev/null >/dev/null 2>&1 & echo $! >/run/burner',
  );
  await sleep(3000);
  const pid = sandbox.pid('web1');
  const [ticks, began] = [readProcessStat(pid)?.cpuTicks ?? 0, performance.now()];
  const mean = await means(20);
  const used = (readProcessStat(pid)?.cpuTicks ?? 0) - ticks;
  const truth = (used * 1000) / (performance.now() - began);
  await sandbox.sh('web1', 'kill -9 $(cat /run/burner)');
  // One vCPU is at most 100 %; QEMU's other threads come on top of it, where the figure ends.
  within(5, mean('cpu_percent'), Math.min(100, truth), 'cpu_percent');
});

test('disk: what a guest writes at a known rate is told within 5 %', async () => {
  const mb = 2 ** 20;
  const before = await until(() => true);
  assert.ok(before);
  await sandbox.sh(
    'web1',
    "setsid sh -c \"for i in $(seq 30 | tr '\\n' ' '); do dd if=/dev/zero of=/data/w bs=1M count=1 conv=fsync,notrunc 2>/dev/null; sleep 1; done\" </dev/null >/dev/null 2>&1 &",
  );
  await sleep(2000);
  const counters = () =>
    readFresh(sandbox.config.paths.published(parseVmName('web1')))?.extended.counters?.disk;
  const from = counters();
  const mean = await means(20);
  const to = counters();
  assert.ok(from && to);
  const seconds = (to.atMs - from.atMs) / 1000;
  const truth = (to.writtenBytes - from.writtenBytes) / seconds;
  within(5, mean('disk_write_bytes_sec'), truth, 'against the counters of QEMU');
  // dd's own rate: a little under one MiB a second, and the file system's journal on top.
  assert.ok(truth > 0.4 * mb && truth < 1.6 * mb, `${truth}`);
});

test('memory: what a guest holds is told within 5 %', async () => {
  const idle = (await until((r) => r.memory_used_mb > 0)).memory_used_mb;
  await sandbox.sh('web1', 'dd if=/dev/urandom of=/run/ballast bs=1M count=20 2>/dev/null');
  const truth = (): Promise<number> =>
    sandbox
      .sh('web1', 'awk "/MemTotal/{t=\\$2} /MemAvailable/{a=\\$2} END{print t-a}" /proc/meminfo')
      .then((kb) => Number(kb) / 1024);
  await until((r) => r.memory_used_mb >= idle + 14);
  await sleep(8000);
  within(5, published()?.memory_used_mb ?? 0, await truth(), 'memory_used_mb');
  await sandbox.sh('web1', 'rm /run/ballast');
});

test('a state that changes shows at once', async () => {
  const { qmp } = sandbox.files('web1');
  const times: number[] = [];
  for (const [command, state] of [
    ['stop', 'paused'],
    ['cont', 'running'],
    ['stop', 'paused'],
    ['cont', 'running'],
  ] as const) {
    await sleep(300);
    await withQmp(qmp, (client) => client.execute(command));
    const began = performance.now();
    await until((record) => record.state === state);
    times.push(performance.now() - began);
  }
  // A busy machine may be late once; the next sample would come after 500 ms on average.
  times.sort((a, b) => a - b);
  assert.ok((times[1] ?? 1000) < 100, `${times}`);
});

test('guest-exec and the sampler share the agent', async () => {
  for (let i = 0; i < 15; i++) assert.equal(await sandbox.sh('web1', `echo ${i}`), String(i));
  assert.ok((await until((r) => r.guest_agent_responsive)).disk_used_mb >= 0);
});

test('verbs and the sampler never contradict each other', async () => {
  for (let round = 0; round < 3; round++) {
    await sandbox.ok('kill', ['web1']);
    assert.equal(await sandbox.ok('status', ['web1']), 'suspended\n');
    await sandbox.ok('start', ['web1']);
    assert.equal(await sandbox.ok('status', ['web1']), 'active\n');
  }
  await sandbox.ok('destroy', ['web1']);
  assert.equal(await sandbox.ok('status', ['web1']), 'unknown\n');
  assert.equal((await sandbox.run('metrics', ['web1'])).code, 1);
});
