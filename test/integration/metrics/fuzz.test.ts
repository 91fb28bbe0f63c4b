import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { readAgent, SILENT } from '../../../src/metrics/agent-readings.ts';
import { NO_HOST_EXTRAS } from '../../../src/metrics/extended.ts';
import { prometheusText } from '../../../src/metrics/prometheus/text.ts';
import { formatPublished, parsePublished } from '../../../src/metrics/published.ts';
import { readQemuExtras } from '../../../src/metrics/qemu-extras.ts';
import {
  readAgentPort,
  readDisk,
  readMemory,
  readState,
} from '../../../src/metrics/qemu-readings.ts';
import { ratesBetween } from '../../../src/metrics/rates.ts';
import { OFF, toRecords, type VmView } from '../../../src/metrics/view.ts';
import { QmpClient } from '../../../src/qmp/client.ts';
import { DISK_QDEV } from '../../../src/types.ts';
import { NO_REPLY } from '../../support/fake-qmp.ts';
import { configOf } from '../../support/fleet/config.ts';
import { serve, serveAgent } from '../../unit/qmp/fixture.ts';
import { Generator } from '../../unit/qmp/generator.ts';

const seed = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
const limits = { timeout: 300_000 };
const MAC = '52:54:00:00:00:01';

const counts = { rd_bytes: 1, wr_bytes: 2, rd_operations: 3, wr_operations: 4 };
const times = { rd_total_time_ns: 5, wr_total_time_ns: 6, flush_total_time_ns: 7 };
const QMP_REPLIES: Record<string, unknown> = {
  'query-status': { status: 'running', running: true },
  'query-blockstats': [
    { device: '', qdev: DISK_QDEV, stats: { ...counts, ...times, flush_operations: 8 } },
  ],
  'qom-get': {
    'last-update': 1_700_000_000,
    stats: { 'stat-total-memory': 1e9, 'stat-available-memory': 6e8, 'stat-free-memory': 5e8 },
  },
  'query-chardev': [{ label: 'qga', filename: 'disconnected:unix:/x', 'frontend-open': true }],
  'query-cpus-fast': [{ 'cpu-index': 0, 'thread-id': 1, 'qom-path': '/x' }],
  'query-balloon': { actual: 1e9 },
  'query-stats': [{ provider: 'kvm', stats: [{ name: 'exits', value: 5 }] }],
};
const AGENT_REPLIES: Record<string, unknown> = {
  'guest-get-fsinfo': [{ name: 'vda1', mountpoint: '/', type: 'ext4', 'used-bytes': 5e8 }],
  'guest-network-get-interfaces': [
    {
      name: 'eth0',
      'hardware-address': MAC,
      statistics: {
        ...{ 'rx-bytes': 1, 'rx-packets': 1, 'rx-errs': 0, 'rx-dropped': 0 },
        ...{ 'tx-bytes': 1, 'tx-packets': 1, 'tx-errs': 0, 'tx-dropped': 0 },
      },
    },
  ],
  'guest-file-open': 1000,
  'guest-file-read': { count: 5, 'buf-b64': 'VENQOiBpbnVzZSAz', eof: true },
};

test('70,000 replies of a monitor that lies: every record is whole', limits, async (t) => {
  t.diagnostic(`FUZZ_SEED=${seed}`);
  const random = new Generator(seed);
  const fake = await serve(t);
  let replies = 0;
  for (const [name, right] of Object.entries(QMP_REPLIES)) {
    fake.on(name, ({ id, connection }) => {
      replies += 1;
      const error = { error: { class: random.value(1), desc: random.value(1) }, id };
      const reply = random.chance(0.05) ? error : { return: random.mutated(right), id };
      // Late answers of somebody else, and events that nobody knows, are in between.
      if (random.chance(0.02)) connection.send({ return: random.value(2), id: random.value(1) });
      if (random.chance(0.02)) connection.send({ event: 'X', data: random.value(2) });
      connection.send(reply);
      return NO_REPLY;
    });
  }
  const qmp = await QmpClient.connect(fake.path);
  let before: VmView['counters'] = null;
  let real = 0;
  while (replies < 70_000) {
    const [state, disk, memory, port, extras] = await Promise.all([
      readState(qmp, {}),
      readDisk(qmp, {}),
      readMemory(qmp, {}),
      readAgentPort(qmp, {}),
      readQemuExtras(qmp, { pid: process.pid, accel: 'kvm' }),
    ]);
    const counters = { incarnation: 'a', cpu: null, disk, net: null };
    const view: VmView = {
      ...OFF,
      ...{ state, counters, memoryUsedBytes: memory?.usedBytes ?? null },
      agentResponsive: port.open,
      rates: ratesBetween(before ?? undefined, counters),
      extras: NO_HOST_EXTRAS,
      kvmExits: extras.kvmExits,
      balloonBytes: extras.balloonBytes,
    };
    assertWhole(view);
    if (disk !== null && memory !== null && state === 'running') real += 1;
    before = counters;
  }
  qmp.close();
  assert.ok(real > 100, `only ${real} of the replies came near to what would be believed`);
});

test('30,000 replies of an agent that lies: every record is whole', limits, async (t) => {
  t.diagnostic(`FUZZ_SEED=${seed}`);
  const random = new Generator(seed);
  const fake = await serveAgent(t);
  let replies = 0;
  for (const [name, right] of Object.entries(AGENT_REPLIES)) {
    fake.on(name, ({ id, line }) => {
      replies += 1;
      if (random.chance(0.1)) line.raw(random.stream());
      // A file that has no end would be read to its limit, honestly but slowly.
      const value =
        name === 'guest-file-read' && random.chance(0.7) ? right : random.mutated(right);
      line.raw(`\n${JSON.stringify({ return: value, id })}\n`);
      return NO_REPLY;
    });
  }
  fake.on('guest-file-close', ({ id, line }) => {
    replies += 1;
    line.raw(`\n${JSON.stringify({ return: random.value(1), id })}\n`);
    return NO_REPLY;
  });
  let believed = 0;
  while (replies < 30_000) {
    const ask = { net: true, diskUsed: true, connections: true };
    const readings = await readAgent({ socket: fake.path, mac: MAC, ask, deadlineMs: 5000 });
    if (readings.diskUsedBytes !== null) believed += 1;
    const { net, responsive, diskUsedBytes, connections } = { ...SILENT, ...readings };
    const counters = {
      ...{ incarnation: 'a', cpu: null, disk: null },
      net: net === null ? null : { ...net, source: 'guest' as const },
    };
    assertWhole({
      ...OFF,
      state: 'running',
      counters,
      diskUsedBytes,
      connections,
      agentResponsive: responsive,
    });
  }
  assert.ok(believed > 50, `${believed}`);
});

const INTEGERS = [
  ...['cpu_count', 'memory_used_mb', 'memory_total_mb', 'disk_used_mb', 'disk_total_mb'],
  ...['disk_read_iops', 'disk_write_iops', 'disk_read_bytes_sec', 'disk_write_bytes_sec'],
  ...['net_rx_bytes_sec', 'net_tx_bytes_sec', 'net_connections', 'uptime_seconds'],
];

/** As the watchdog reads it, and as we do. */
function assertWhole(view: VmView): void {
  const records = toRecords(configOf('vm1', 0), view);
  const json = JSON.stringify(records.record);
  for (const key of INTEGERS) {
    // A plain integer within Go's int: no point, no exponent, no string, not missing.
    const number = new RegExp(`"${key}":(-?\\d{1,16})[,}]`).exec(json)?.[1];
    assert.ok(number !== undefined, `${key} in ${json}`);
  }
  assert.match(json, /"cpu_percent":\d+(\.\d+)?,/);
  assert.match(json, /"guest_agent_responsive":(true|false),/);
  assert.match(json, /"state":"(running|paused|stopped|unknown)"/);
  assert.ok(records.record.memory_used_mb <= records.record.memory_total_mb);
  const text = formatPublished({
    ...{ validUntil: 2, writtenAt: 1, process: { pid: 1, startTime: 1 }, status: '-' },
    ...records,
  });
  const lines = text.split('\n');
  assert.equal(lines.length, 4);
  assert.deepEqual(parsePublished(text)?.record, records.record, text);
  for (const line of prometheusText(new Map([['vm1', records]])).split('\n'))
    assert.match(line, /^(# (HELP|TYPE) .*|[a-z_]+\{[^{}]*\} -?[0-9.e+-]+|)$/);
}
