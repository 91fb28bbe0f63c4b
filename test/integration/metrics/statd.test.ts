import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { type TestContext, test } from 'node:test';
import { identify } from '../../../src/host/process.ts';
import { poll, sleep } from '../../../src/host/time.ts';
import { readHistory } from '../../../src/metrics/history/reader.ts';
import { type Published, readFresh, readPublished } from '../../../src/metrics/published.ts';
import { Statd } from '../../../src/metrics/statd/statd.ts';
import { writeIncarnation } from '../../../src/store/incarnation.ts';
import { writeVmConfig } from '../../../src/store/vm-config.ts';
import { parseVmName } from '../../../src/types.ts';
import { FakeQmpServer, NO_REPLY } from '../../support/fake-qmp.ts';
import { configOf } from '../../support/fleet/config.ts';
import { Fleet, type StubVm, stubVms } from '../../support/fleet/fleet.ts';
import { StatdProcess } from '../../support/fleet/statd-process.ts';
import { programFile, Running } from '../../support/program.ts';

const limits = { timeout: 120_000 };
/** A record appears within a moment; a busy machine gets plenty. */
const soon = { deadlineMs: 20_000, everyMs: 10 };

interface World {
  fleet: Fleet;
  statd: Statd;
  troubles: string[];
  published(name: string): Published | undefined;
  /** What is published, once it is as wanted. */
  until(name: string, wanted: (published: Published) => boolean): Promise<Published>;
}

/** The sampler in this process, so that a test can look into its face. */
async function world(t: TestContext, vms: readonly StubVm[], intervalMs = 300): Promise<World> {
  const fleet = new Fleet();
  t.after(() => fleet.remove());
  await fleet.add(vms);
  const troubles: string[] = [];
  const statd = new Statd({
    paths: fleet.paths,
    intervalMs,
    report: (line) => troubles.push(line),
  });
  t.after(() => statd.stop());
  statd.start();
  const published = (name: string) => readFresh(fleet.paths.published(parseVmName(name)));
  return {
    ...{ fleet, statd, troubles, published },
    async until(name, wanted) {
      const found = await poll(() => {
        const now = published(name);
        return now !== undefined && wanted(now) ? now : undefined;
      }, soon);
      assert.ok(found, `${name}: ${JSON.stringify(published(name)?.record)} ${troubles}`);
      return found;
    },
  };
}

test('VMs are found as they come, and forgotten as they go', limits, async (t) => {
  const { fleet, until, statd } = await world(t, stubVms(2));
  const { record, status } = await until('vm000', () => true);
  assert.equal(status, 'active');
  assert.equal(record.state, 'running');
  assert.equal(record.memory_total_mb, 1024);
  assert.equal(record.memory_used_mb, Math.round((1010827264 - 633405440) / 2 ** 20));
  await fleet.add(stubVms(1, 'none', 2));
  await until('vm002', () => true);
  assert.equal(statd.count, 3);
  const name = parseVmName('vm002');
  fs.rmSync(fleet.paths.vm(name).directory, { recursive: true });
  const gone = () => (fs.existsSync(fleet.paths.published(name)) ? undefined : true);
  assert.ok(await poll(gone, soon));
  assert.ok(!fs.existsSync(fleet.paths.history(name)));
});

test('what is published first has rates already', limits, async (t) => {
  const { until } = await world(t, stubVms(1));
  const first = await until('vm000', () => true);
  assert.ok(first.record.disk_write_bytes_sec > 0, JSON.stringify(first.record));
});

test('rates are what the guest does, whatever the wall clock does', limits, async (t) => {
  const { until } = await world(t, stubVms(1));
  await until('vm000', () => true);
  const real = Date.now;
  t.after(() => {
    Date.now = real;
  });
  for (const jump of [3_600_000, -7_200_000, 3_600_000]) {
    const before = Date.now;
    Date.now = () => before() + jump;
    for (let i = 0; i < 8; i++) {
      await sleep(100);
      const { record } = await until('vm000', () => true);
      // The stub writes a million bytes a second. A wrong clock would be wrong by thousands of times.
      const rate = record.disk_write_bytes_sec;
      assert.ok(rate > 300_000 && rate < 3_000_000, `${rate}`);
      assert.ok(record.uptime_seconds < 100, `${record.uptime_seconds}`);
    }
  }
});

test(
  'an agent that answers is heard, and one that does not costs only what it knows',
  limits,
  async (t) => {
    const vms = (['good', 'silent', 'drip', 'lie', 'none'] as const).map((agent) => ({
      name: agent,
      agent,
    }));
    const { until } = await world(t, vms);
    const good = await until('good', ({ record }) => record.guest_agent_responsive);
    assert.deepEqual([good.record.disk_used_mb, good.record.net_connections], [477, 6]);
    // It answers, but what it says is no disk and no socket.
    const lie = await until('lie', ({ record }) => record.guest_agent_responsive);
    assert.deepEqual([lie.record.disk_used_mb, lie.record.net_connections], [-1, -1]);
    await sleep(2500);
    for (const name of ['silent', 'drip', 'none']) {
      const { record } = await until(name, () => true);
      assert.equal(record.state, 'running');
      assert.equal(record.guest_agent_responsive, false);
      assert.equal(record.disk_used_mb, -1);
      assert.ok(record.disk_write_bytes_sec > 0);
    }
  },
);

test(
  'a QEMU that is stopped makes its own state unknown, and nobody else late',
  limits,
  async (t) => {
    const { fleet, until, published } = await world(t, stubVms(3));
    const other = await fleet.add([{ name: 'hung', agent: 'good' }]);
    await until('hung', ({ record }) => record.state === 'running');
    other.kill('SIGSTOP');
    const hung = await until('hung', ({ record }) => record.state === 'unknown');
    assert.equal(hung.status, '-');
    assert.ok(hung.record.memory_used_mb > 0 && hung.record.cpu_count === 2);
    const seen = new Set<number>();
    for (let i = 0; i < 20; i++) {
      await sleep(100);
      for (const name of ['vm000', 'vm001', 'vm002']) {
        assert.equal(published(name)?.record.state, 'running');
        seen.add(published(name)?.extended.counters?.disk?.atMs ?? 0);
      }
      // It is still published, in time, as what it is.
      assert.equal(published('hung')?.record.state, 'unknown');
    }
    assert.ok(seen.size > 6, `${seen.size} samples of the others in 2 s`);
    other.kill('SIGCONT');
    const back = await until('hung', ({ record }) => record.state === 'running');
    assert.ok(back.record.disk_write_bytes_sec < 3_000_000);
  },
);

test('that a QEMU is stopped, and goes on, is seen between two samples', limits, async (t) => {
  const intervalMs = 20_000;
  const { fleet, until } = await world(t, [], intervalMs);
  const qemu = await fleet.add([{ name: 'hung', agent: 'good' }]);
  await until('hung', ({ record }) => record.disk_write_bytes_sec > 0);
  for (const [signal, state] of [
    ['SIGSTOP', 'unknown'],
    ['SIGCONT', 'running'],
  ] as const) {
    const began = performance.now();
    qemu.kill(signal);
    await until('hung', ({ record }) => record.state === state);
    const tookMs = performance.now() - began;
    t.diagnostic(`${signal} was seen after ${tookMs.toFixed(0)} ms`);
    assert.ok(tookMs < intervalMs / 4, `${tookMs} ms`);
  }
});

test(
  'a VM that ends is off at once, and a new run has no rate from the one before',
  limits,
  async (t) => {
    const { fleet, until, published } = await world(t, [], 2000);
    const vm = { name: 'web1', agent: 'good' } as const;
    const first = await fleet.add([vm]);
    const before = await until('web1', ({ record }) => record.disk_write_bytes_sec > 0);
    first.kill('SIGKILL');
    const began = performance.now();
    const off = await until('web1', ({ record }) => record.state === 'stopped');
    // The next sample would have come within 2 s.
    assert.ok(performance.now() - began < 1000, `${performance.now() - began} ms`);
    assert.deepEqual([off.record.cpu_percent, off.record.uptime_seconds], [0, 0]);
    // Its files of the run are still there: whether the verb that ended it is done, others know.
    await fleet.restart(vm);
    const after = await until('web1', ({ record }) => record.state === 'running');
    assert.notEqual(after.extended.counters?.incarnation, before.extended.counters?.incarnation);
    // The new stub counts from zero: a rate over both runs would be negative, or huge.
    for (let i = 0; i < 10; i++) {
      const rate = published('web1')?.record.disk_write_bytes_sec ?? 0;
      assert.ok(rate < 3_000_000, `${rate}`);
      await sleep(50);
    }
  },
);

test('a QEMU that greets and hangs up, again and again, is called seldom', limits, async (t) => {
  const { fleet, until } = await world(t, stubVms(1));
  const files = fleet.paths.vm(parseVmName('flaps'));
  for (const directory of [files.directory, files.run]) fs.mkdirSync(directory);
  const fake = await FakeQmpServer.start({ path: files.stat });
  t.after(() => fake.stop());
  fake.on('qmp_capabilities', ({ id, connection }) => {
    connection.send({ return: {}, id });
    setImmediate(() => connection.hangUp());
    return NO_REPLY;
  });
  const self = identify(process.pid);
  assert.ok(self);
  writeIncarnation(files, { ...self, runner: 'direct', accel: 'tcg', started_at: '' });
  writeVmConfig(files, configOf('flaps', 9));
  assert.ok(await poll(() => (fake.connected.ever >= 4 ? true : undefined), soon));
  const { ever } = fake.connected;
  await sleep(2000);
  // Twice as long a pause each time, where hundreds of calls would have found room.
  assert.ok(fake.connected.ever - ever < 20, `${fake.connected.ever - ever} calls in 2 s`);
  await until('vm000', ({ record }) => record.state === 'running');
});

test('another VM of the same name has no past', limits, async (t) => {
  const { fleet, until } = await world(t, stubVms(1));
  const name = parseVmName('vm000');
  await until('vm000', () => true);
  const points = () => readHistory(fleet.paths.history(name))?.fine.points.length ?? 0;
  assert.ok(await poll(() => (points() >= 3 ? true : undefined), soon));
  const uuid = readHistory(fleet.paths.history(name))?.uuid;
  fs.rmSync(fleet.paths.vm(name).directory, { recursive: true });
  assert.ok(await poll(() => (fs.existsSync(fleet.paths.history(name)) ? undefined : true), soon));
  fs.rmSync(fleet.paths.vm(name).run, { recursive: true });
  await fleet.add(stubVms(1));
  await until('vm000', () => true);
  assert.ok(await poll(() => (points() >= 1 ? true : undefined), soon));
  assert.notEqual(readHistory(fleet.paths.history(name))?.uuid, uuid);
});

test('damaged files of one VM are told once, and the others go on', limits, async (t) => {
  const { fleet, until, troubles } = await world(t, stubVms(2));
  await until('vm000', () => true);
  fs.writeFileSync(fleet.paths.vm(parseVmName('vm001')).config, '{"version":1');
  await sleep(1500);
  await until('vm000', () => true);
  assert.equal(troubles.length, 1, troubles.join('\n'));
  assert.match(troubles[0] ?? '', /^VM vm001: .*vm\.json is damaged/);
});

test('killed and started again, it loses a sample and keeps the past', limits, async (t) => {
  const fleet = new Fleet();
  t.after(() => fleet.remove());
  const vms = stubVms(3);
  await fleet.add(vms);
  const file = fleet.paths.published(parseVmName('vm000'));
  const first = await StatdProcess.start(fleet, vms);
  const history = () => readHistory(fleet.paths.history(parseVmName('vm000')))?.fine.points ?? [];
  assert.ok(await poll(() => (history().length >= 1 ? true : undefined), soon));
  const before = history().length;
  await first.stop('SIGKILL');
  // Its last word holds a little longer: what it speaks of still lives.
  assert.equal(readPublished(file)?.record.state, 'running');
  const second = await StatdProcess.start(fleet, vms);
  t.after(() => second.stop());
  assert.ok(await poll(() => (history().length > before ? true : undefined), soon));
  // The verb prints what is published, the very bytes.
  const env = { ...fleet.env };
  const { stdout, code } = await new Running([programFile('blockhost-vm-metrics'), 'vm000'], {
    env,
  }).done;
  assert.equal(code, 0);
  assert.equal(JSON.parse(stdout).state, 'running');
  const all = await new Running([programFile('blockhost-vm-metrics'), '--all'], { env }).done;
  const lines = all.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ vm_name }) => vm_name),
    ['vm000', 'vm001', 'vm002'],
  );
  const past = await new Running([programFile('blockhost-qemu'), 'history', 'vm000', '--json'], {
    env,
  }).done;
  assert.ok(JSON.parse(past.stdout).fine.points.length >= 1);
});

test('without it every verb works, slower', limits, async (t) => {
  const fleet = new Fleet();
  t.after(() => fleet.remove());
  await fleet.add(stubVms(2));
  const env = { ...fleet.env };
  const metrics = async () =>
    JSON.parse(
      (await new Running([programFile('blockhost-vm-metrics'), 'vm001'], { env }).done).stdout,
    );
  assert.equal((await metrics()).disk_write_bytes_sec, 0);
  await sleep(1000);
  const second = await metrics();
  assert.ok(second.disk_write_bytes_sec > 300_000 && second.disk_write_bytes_sec < 3_000_000);
  assert.deepEqual([second.guest_agent_responsive, second.state], [true, 'running']);
  const past = await new Running([programFile('blockhost-qemu'), 'history', 'vm000'], { env }).done;
  assert.equal(past.code, 1);
  assert.match(past.stderr, /^blockhost-qemu history: VM vm000 has no history; [^\n]+\n$/);
});
