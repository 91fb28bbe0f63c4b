import * as assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentClient } from '../../../src/qmp/agent/client.ts';
import { AgentTimeoutError } from '../../../src/qmp/agent/errors.ts';
import { isAgentOpen } from '../../../src/qmp/agent/is-open.ts';
import { readBalloonStats } from '../../../src/qmp/balloon.ts';
import { QmpClient } from '../../../src/qmp/client.ts';
import { QmpCommandError, QmpGoneError, QmpTimeoutError } from '../../../src/qmp/errors.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { startQemu } from './qemu.ts';

const limits = { timeout: 120_000 };
const soon = { deadlineMs: 20_000 };
const DISK = '/machine/peripheral/disk0/virtio-backend';
const BALLOON = '/machine/peripheral/balloon0';

test('every query is understood as QEMU answers it', limits, async (t) => {
  const qemu = await startQemu(t);
  await withQmp(qemu.qmp, async (qmp) => {
    assert.deepEqual(await qmp.execute('query-status'), { status: 'prelaunch', running: false });
    const { qemu: version } = await qmp.execute('query-version');
    assert.equal(version.major, qmp.greeting?.version.qemu.major);
    const [disk] = await qmp.execute('query-block');
    assert.equal(disk?.qdev, DISK);
    assert.equal(disk?.inserted?.image['virtual-size'], 1024 * 1024);
    const [stats] = await qmp.execute('query-blockstats');
    assert.equal(stats?.qdev, DISK);
    assert.equal(stats?.stats.rd_operations, 0);
    const nodes = await qmp.execute('query-named-block-nodes', { flat: true });
    assert.deepEqual(
      nodes.map((node) => node['node-name']),
      ['d0'],
    );
    assert.deepEqual(await qmp.execute('query-balloon'), { actual: 96 * 1024 * 1024 });
    assert.equal((await qmp.execute('query-cpus-fast')).length, 1);
    assert.deepEqual(await qmp.execute('query-stats', { target: 'vcpu' }), []);
    assert.deepEqual(await qmp.execute('query-jobs'), []);
    const children = await qmp.execute('qom-list', { path: '/machine/peripheral' });
    assert.ok(children.some(({ name }) => name === 'balloon0'));
    const interval = { property: 'guest-stats-polling-interval', value: 2 };
    await qmp.execute('qom-set', { path: BALLOON, ...interval });
    assert.equal((await readBalloonStats(qmp, BALLOON)).totalBytes, undefined);
    assert.equal(await isAgentOpen(qmp), false);
    assert.equal(await qmp.execute('ringbuf-read', { device: 'rb', size: 100 }), '');
  });
});

test('every change is made and told', limits, async (t) => {
  const qemu = await startQemu(t);
  await withQmp(qemu.qmp, async (qmp) => {
    const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops_rd: 0, iops_wr: 0 };
    await qmp.execute('block_set_io_throttle', { id: DISK, ...none, iops: 100 });
    await qmp.execute('block_resize', { 'node-name': 'd0', size: 2 * 1024 * 1024 });
    const [disk] = await qmp.execute('query-block');
    assert.equal(disk?.inserted?.image['virtual-size'], 2 * 1024 * 1024);
    await qmp.execute('device_add', { driver: 'virtio-rng-pci', id: 'rng0', bus: 'port0' });
    await qmp.execute('balloon', { value: 64 * 1024 * 1024 });
    await qmp.execute('chardev-change', { id: 'rb', backend: { type: 'null', data: {} } });

    const resumed = qmp.once('RESUME', soon);
    await qmp.execute('cont');
    await resumed;
    const stopped = qmp.once('STOP', soon);
    await qmp.execute('stop');
    assert.ok(((await stopped).timestampMs ?? 0) > 1e12);
    const reset = qmp.once('RESET', soon);
    await qmp.execute('system_reset');
    assert.equal((await reset).data.guest, false);
    const powered = qmp.once('POWERDOWN', soon);
    await qmp.execute('system_powerdown');
    await powered;

    await assert.rejects(qmp.execute('device_del', { id: 'none' }), (error) => {
      assert.ok(error instanceof QmpCommandError);
      assert.equal(error.class, 'DeviceNotFound');
      return true;
    });
    await assert.rejects(qmp.executeRaw('no-such-command'), { class: 'CommandNotFound' });
  });
});

test('quit ends QEMU, and the client knows that it did', limits, async (t) => {
  const qemu = await startQemu(t);
  const qmp = await QmpClient.connect(qemu.qmp);
  const shutdown = qmp.once('SHUTDOWN', soon);
  await qmp.execute('quit');
  assert.deepEqual((await shutdown).data, { guest: false, reason: 'host-qmp-quit' });
  assert.ok((await qmp.closed) instanceof QmpGoneError);
  await qemu.ended;
  await assert.rejects(QmpClient.connect(qemu.qmp), QmpGoneError);
});

test(
  'of two clients the second waits, the fourth too, and each gets its turn',
  limits,
  async (t) => {
    const qemu = await startQemu(t);
    const first = await QmpClient.connect(qemu.qmp, soon);
    await assert.rejects(QmpClient.connect(qemu.qmp, { deadlineMs: 100 }), QmpTimeoutError);
    const others = [1, 2, 3].map(() => withQmp(qemu.qmp, (q) => q.execute('query-status'), soon));
    await assert.rejects(QmpClient.connect(qemu.qmp, { deadlineMs: 100 }), QmpTimeoutError);
    first.close();
    for (const { status } of await Promise.all(others)) assert.equal(status, 'prelaunch');
  },
);

test('a stopped QEMU is a timeout, to those connected and to those who try', limits, async (t) => {
  const qemu = await startQemu(t);
  const qmp = await QmpClient.connect(qemu.qmp);
  qemu.kill('SIGSTOP');
  const call = qmp.execute('query-status', undefined, { deadlineMs: 100 });
  await assert.rejects(call, QmpTimeoutError);
  qmp.close();
  await assert.rejects(QmpClient.connect(qemu.qmp, { deadlineMs: 100 }), {
    name: 'QmpTimeoutError',
    message: /is busy or not answering/,
  });
  qemu.kill('SIGCONT');
  await withQmp(qemu.qmp, (again) => again.execute('query-status'), soon);
});

test(
  'a killed QEMU is gone: at once for calls in flight, and its socket is known to be dead',
  limits,
  async (t) => {
    const qemu = await startQemu(t);
    const qmp = await QmpClient.connect(qemu.qmp);
    qemu.kill('SIGSTOP');
    const call = assert.rejects(qmp.execute('query-status', undefined, soon), QmpGoneError);
    qemu.kill('SIGKILL');
    await call;
    await qemu.ended;
    await assert.rejects(QmpClient.connect(qemu.qmp), {
      name: 'QmpGoneError',
      message: /nobody listens/,
    });
  },
);

test('a guest without an agent is a timeout of the agent', limits, async (t) => {
  const qemu = await startQemu(t);
  const opening = AgentClient.open(qemu.agent, { deadlineMs: 100 });
  await assert.rejects(opening, AgentTimeoutError);
});

test('a hundred calls in flight are all answered; what it costs is reported', limits, async (t) => {
  const qemu = await startQemu(t);
  const connect: number[] = [];
  const query: number[] = [];
  for (let i = 0; i < 20; i++) {
    let began = performance.now();
    const qmp = await QmpClient.connect(qemu.qmp, soon);
    connect.push(performance.now() - began);
    began = performance.now();
    await qmp.execute('query-status', undefined, soon);
    query.push(performance.now() - began);
    qmp.close();
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length / 2]?.toFixed(2);
  t.diagnostic(`median connect ${median(connect)} ms, query ${median(query)} ms`);
  await withQmp(qemu.qmp, async (qmp) => {
    const calls = Array.from({ length: 100 }, () =>
      qmp.execute('query-blockstats', undefined, soon),
    );
    for (const stats of await Promise.all(calls)) assert.equal(stats.length, 1);
  });
});
