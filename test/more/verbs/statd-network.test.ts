import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { poll, sleep } from '../../../src/host/time.ts';
import { type Published, readFresh } from '../../../src/metrics/published.ts';
import type { MetricsRecord } from '../../../src/metrics/record.ts';
import { parseVmName } from '../../../src/types.ts';
import { Namespace } from '../../support/namespace.ts';
import { programFile, Running } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

// The sampler on a real QEMU with a tap on a bridge: what crosses the wire is known, frame by frame.

const POOL = { network: '192.0.2.0/24', start: 10, end: 12, gateway: '192.0.2.1' };
const GUEST = '192.0.2.10';
const PAYLOAD = 1000;
const SECONDS = 20;
/** Ethernet, IPv4, and ICMP or UDP: both of 8 bytes. */
const FRAME = PAYLOAD + 14 + 20 + 8;

const namespace = await Namespace.make({ after }, '192.0.2.1/24');
const { prefix } = namespace;
const sandbox = await Sandbox.make({ after }, { network: 'bridge', bridge: 'br0', ip_pool: POOL });
let statd: ChildProcess | undefined;

before(async () => {
  const [command = '', ...args] = [...prefix, programFile('blockhost-qemu'), 'statd'];
  statd = spawn(command, args, { env: { ...process.env, ...sandbox.env }, stdio: 'ignore' });
  await sandbox.ok('create', ['web1', ...sandbox.tiny, '--apply'], { prefix });
  await published((now) => now.extended.counters?.net?.source === 'tap');
});
after(async () => {
  const ended = statd === undefined ? undefined : once(statd, 'exit');
  statd?.kill('SIGTERM');
  await ended;
});

async function published(wanted: (now: Published) => boolean): Promise<Published> {
  const found = await poll(
    () => {
      const now = readFresh(sandbox.config.paths.published(parseVmName('web1')));
      return now !== undefined && wanted(now) ? now : undefined;
    },
    { deadlineMs: 60_000, everyMs: 50 },
  );
  assert.ok(found, 'nothing like it was published');
  return found;
}

/** Means of what is published, one after the other, while something goes on. */
async function means(seconds: number): Promise<(key: keyof MetricsRecord) => number> {
  const seen = new Map<unknown, MetricsRecord>();
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const { extended, record } = await published(() => true);
    seen.set(extended.counters?.net?.atMs, record);
    await sleep(50);
  }
  const records = [...seen.values()].slice(1);
  assert.ok(records.length >= seconds / 3, `${records.length} samples`);
  return (key) => records.reduce((sum, record) => sum + Number(record[key]), 0) / records.length;
}

function within(percent: number, figure: number, truth: number, what: string): void {
  assert.ok(Math.abs(figure - truth) <= (truth * percent) / 100, `${what}: ${figure} for ${truth}`);
}

/** Sends so many datagrams, evenly, as far as the machine lets it; prints how many and for how long. */
const SENDER = `
  const socket = require('node:dgram').createSocket('udp4');
  const [ip, size, seconds] = process.argv.slice(1);
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const elapsed = (performance.now() - began) / 1000;
    if (elapsed > seconds) {
      clearInterval(timer);
      socket.close();
      console.log(JSON.stringify({ sent, elapsed }));
      return;
    }
    for (; sent < elapsed * 60; sent++) socket.send(Buffer.alloc(Number(size)), 9, ip);
  }, 10);`;

test('traffic in both directions at a known rate is told within 5 %', async () => {
  const ping = [
    'busybox',
    'ping',
    '-q',
    '-s',
    String(PAYLOAD),
    '-i',
    '0.02',
    '-w',
    String(SECONDS + 8),
    GUEST,
  ];
  const began = performance.now();
  const running = new Running([...prefix, ...ping]);
  await sleep(5000);
  const mean = await means(SECONDS);
  const { stdout } = await running.done;
  const seconds = (performance.now() - began) / 1000;
  const [, sent, received] = /(\d+) packets transmitted, (\d+) packets received/.exec(stdout) ?? [];
  const [into, out] = [Number(sent), Number(received)].map((count) => (count * FRAME) / seconds);
  assert.ok(into !== undefined && out !== undefined && into > 5000, stdout);
  within(5, mean('net_rx_bytes_sec'), into, 'what the guest received');
  within(5, mean('net_tx_bytes_sec'), out, 'what the guest sent');
});

test('what goes one way only is told as that', async () => {
  const args = ['-e', SENDER, GUEST, String(PAYLOAD), String(SECONDS + 8)];
  const running = new Running([...prefix, process.execPath, ...args]);
  await sleep(5000);
  const mean = await means(SECONDS);
  const { sent, elapsed } = JSON.parse((await running.done).stdout);
  const truth = (sent * FRAME) / elapsed;
  within(5, mean('net_rx_bytes_sec'), truth, 'what the guest received');
  assert.ok(mean('net_tx_bytes_sec') < truth / 5, `sent ${mean('net_tx_bytes_sec')}`);
});
