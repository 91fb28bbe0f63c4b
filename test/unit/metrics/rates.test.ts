import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import type { Counters } from '../../../src/metrics/counters.ts';
import { usedMemory } from '../../../src/metrics/guest-memory.ts';
import { keepSample, readKeptSample } from '../../../src/metrics/kept-sample.ts';
import { NO_RATES, ratesBetween } from '../../../src/metrics/rates.ts';
import { type Readings, toRecord } from '../../../src/metrics/record.ts';
import { GiB, MiB } from '../../../src/types.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

test('a rate is the change per second', () => {
  const rates = ratesBetween(counters(1000, 100), counters(3000, 300));
  assert.equal(rates.netTxBytes, 100);
  assert.equal(rates.diskReads, 100);
});

test('CPU time per second is percent of one CPU', () => {
  const rates = ratesBetween(counters(0, 0), counters(2000, 2_500_000));
  assert.equal(toRecord({ ...readings(), rates }, SIZE).cpu_percent, 125);
});

test('no rate comes from another run, from a counter that fell, or from one that could not be read', () => {
  const zero = (before: Counters | undefined, now: Counters): void =>
    assert.deepEqual(ratesBetween(before, now), NO_RATES);
  zero(undefined, counters(3000, 300));
  zero(counters(1000, 100, 'boot/1/2'), counters(3000, 300));
  zero(counters(1000, 500), counters(3000, 300));
  zero(counters(4000, 100), counters(3000, 300));
  zero(nothing(), counters(3000, 300));
  zero(counters(1000, 100), nothing());
});

test('no rate comes from two sources', () => {
  const now = counters(3000, 300);
  if (now.cpu !== null) now.cpu.source = 'cgroup';
  if (now.net !== null) now.net.source = 'guest';
  const rates = ratesBetween(counters(1000, 100), now);
  assert.deepEqual([rates.cpuPercent, rates.netRxBytes, rates.diskWrites], [0, 0, 100]);
});

test('a part that was not read anew keeps its rate', () => {
  const [first, second, third] = [counters(1000, 0), counters(3000, 200), counters(5000, 600)];
  third.net = second.net;
  const rates = ratesBetween(second, third, ratesBetween(first, second));
  assert.deepEqual([rates.netRxBytes, rates.diskReads], [100, 200]);
});

test('a sample is kept for the next call; a damaged or foreign one is as good as none', (t) => {
  const file = path.join(temporaryDirectory(t), 'metrics', 'a.json');
  const sample = { counters: counters(1000, 5), agent: null };
  assert.equal(readKeptSample(file), undefined);
  keepSample(file, sample);
  assert.deepEqual(readKeptSample(file), sample);
  for (const content of ['', '{', 'null', '[]', '{"counters":1}']) {
    fs.writeFileSync(file, content);
    assert.equal(readKeptSample(file), undefined, content);
  }
  keepSample(path.join(file, 'below-a-file', 'a.json'), sample);
});

test('every number but cpu_percent is an integer that Go reads as int, whatever the readings', () => {
  const wild = [0, 0.5, 1e21, 1e300, -5, Number.MAX_VALUE, 3.7];
  for (const value of wild) {
    const rates = Object.fromEntries(Object.keys(NO_RATES).map((key) => [key, value]));
    const record = toRecord(
      {
        ...readings(),
        memoryUsedBytes: value,
        diskUsedBytes: Math.max(0, value),
        rates: { ...NO_RATES, ...rates },
      },
      SIZE,
    );
    const json = JSON.stringify(record);
    for (const [key, number] of Object.entries(JSON.parse(json))) {
      if (typeof number !== 'number' || key === 'cpu_percent') continue;
      assert.match(JSON.stringify(number), /^-?\d{1,16}$/, `${key} ${number}`);
    }
    assert.ok(record.cpu_percent >= 0 && record.cpu_percent <= 200);
    assert.ok(record.memory_used_mb <= record.memory_total_mb);
    assert.ok(record.disk_used_mb <= record.disk_total_mb);
  }
});

test('what is not known is -1 where the contract says so, else 0', () => {
  const record = toRecord(
    {
      ...readings(),
      memoryUsedBytes: null,
      diskUsedBytes: null,
      connections: null,
      rates: NO_RATES,
    },
    SIZE,
  );
  assert.equal(record.disk_used_mb, -1);
  assert.equal(record.net_connections, -1);
  assert.equal(record.memory_used_mb, 0);
  assert.equal(record.cpu_percent, 0);
});

test('used memory is what the guest cannot give back, and nothing is made of what it did not send', () => {
  const silent = {
    updatedAt: undefined,
    totalBytes: undefined,
    freeBytes: undefined,
    availableBytes: undefined,
    diskCacheBytes: undefined,
  };
  assert.equal(usedMemory({ ...silent, totalBytes: GiB, availableBytes: 700 * MiB }), 324 * MiB);
  assert.equal(usedMemory({ ...silent, totalBytes: GiB, freeBytes: GiB / 2 }), GiB / 2);
  assert.equal(usedMemory({ ...silent, totalBytes: 5, availableBytes: 6 }), null);
  assert.equal(usedMemory({ ...silent, availableBytes: 6 }), null);
  assert.equal(usedMemory(silent), null);
});

const SIZE = { vcpus: 2, memoryTotalMb: 1024, diskTotalBytes: 20 * GiB };

function counters(atMs: number, value: number, incarnation = 'boot/1/1'): Counters {
  return {
    incarnation,
    cpu: { atMs, source: 'process', usec: value },
    disk: { atMs, reads: value, writes: value, readBytes: value, writtenBytes: value },
    net: { atMs, source: 'tap', rxBytes: value, txBytes: value },
  };
}

function nothing(): Counters {
  return { incarnation: 'boot/1/1', cpu: null, disk: null, net: null };
}

function readings(): Readings {
  return {
    state: 'running',
    memoryUsedBytes: 100 * MiB,
    diskUsedBytes: GiB,
    connections: 3,
    agentResponsive: true,
    uptimeSeconds: 12.4,
    rates: NO_RATES,
  };
}
