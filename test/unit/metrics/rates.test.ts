import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import {
  type Counters,
  keepSample,
  ratesBetween,
  readSample,
  type Sample,
} from '../../../src/metrics/counters.ts';
import { usedMemory } from '../../../src/metrics/guest-memory.ts';
import { type Readings, toRecord } from '../../../src/metrics/record.ts';
import { GiB, MiB } from '../../../src/types.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

test('a rate is the change per second', () => {
  const rates = ratesBetween(sample(1000, 100), sample(3000, 300));
  assert.equal(rates.cpuTicks, 100);
  assert.equal(rates.netTxBytes, 100);
});

test('no rate comes from another run, from a counter that fell, or from one that could not be read', () => {
  const zero = (before: Sample | undefined, now: Sample): void =>
    assert.deepEqual(new Set(Object.values(ratesBetween(before, now))), new Set([0]));
  zero(undefined, sample(3000, 300));
  zero(sample(1000, 100, 'boot/1/2'), sample(3000, 300));
  zero(sample(1000, 500), sample(3000, 300));
  zero(sample(3000, 100), sample(3000, 300));
  zero(sample(4000, 100), sample(3000, 300));
  zero(sample(1000, null), sample(3000, 300));
  zero(sample(1000, 100), sample(3000, null));
});

test('a sample is kept for the next call; a damaged or foreign one is as good as none', (t) => {
  const file = path.join(temporaryDirectory(t), 'metrics', 'a.json');
  assert.equal(readSample(file), undefined);
  keepSample(file, sample(1000, 5));
  assert.deepEqual(readSample(file), sample(1000, 5));
  for (const content of ['', '{', 'null', '[]', '{"incarnation":1}']) {
    fs.writeFileSync(file, content);
    assert.equal(readSample(file), undefined, content);
  }
  keepSample(path.join(file, 'below-a-file', 'a.json'), sample(1000, 5));
});

test('every number but cpu_percent is an integer that Go reads as int, whatever the readings', () => {
  const wild = [0, 0.5, 1e21, 1e300, -5, Number.MAX_VALUE, 3.7];
  for (const value of wild) {
    const rates = { cpuTicks: value, diskReads: value, diskWrites: value, diskReadBytes: value };
    const record = toRecord({
      ...readings(),
      memoryUsedBytes: value,
      diskUsedBytes: Math.max(0, value),
      rates: { ...rates, diskWriteBytes: value, netRxBytes: value, netTxBytes: value },
    });
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
  const record = toRecord({
    ...readings(),
    memoryUsedBytes: null,
    diskUsedBytes: null,
    connections: null,
    rates: null,
  });
  assert.equal(record.disk_used_mb, -1);
  assert.equal(record.net_connections, -1);
  assert.equal(record.memory_used_mb, 0);
  assert.equal(record.cpu_percent, 0);
});

test('ticks per second are percent of one CPU', () => {
  const rates = ratesBetween(sample(0, 0), sample(2000, 250));
  assert.equal(toRecord({ ...readings(), rates }).cpu_percent, 125);
});

test('used memory is what the guest cannot give back, and nothing is made of what it did not send', () => {
  const nothing = {
    updatedAt: undefined,
    totalBytes: undefined,
    freeBytes: undefined,
    availableBytes: undefined,
    diskCacheBytes: undefined,
  };
  assert.equal(usedMemory({ ...nothing, totalBytes: GiB, availableBytes: 700 * MiB }), 324 * MiB);
  assert.equal(usedMemory({ ...nothing, totalBytes: GiB, freeBytes: GiB / 2 }), GiB / 2);
  assert.equal(usedMemory({ ...nothing, totalBytes: 5, availableBytes: 6 }), null);
  assert.equal(usedMemory({ ...nothing, availableBytes: 6 }), null);
  assert.equal(usedMemory(nothing), null);
});

function sample(atMs: number, value: number | null, incarnation = 'boot/1/1'): Sample {
  const counters: Counters = {
    cpuTicks: value,
    diskReads: value,
    diskWrites: value,
    diskReadBytes: value,
    diskWriteBytes: value,
    netRxBytes: value,
    netTxBytes: value,
  };
  return { incarnation, atMs, counters };
}

function readings(): Readings {
  return {
    state: 'running',
    vcpus: 2,
    memoryTotalMb: 1024,
    diskTotalBytes: 20 * GiB,
    memoryUsedBytes: 100 * MiB,
    diskUsedBytes: GiB,
    connections: 3,
    agentResponsive: true,
    uptimeSeconds: 12.4,
    rates: null,
  };
}
