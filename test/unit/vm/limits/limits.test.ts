import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod/mini';
import { LIMIT_KEYS, LIMIT_RANGES, VmLimits } from '../../../../src/store/vm-limits.ts';
import { LIMIT_GROUPS } from '../../../../src/vm/limits/apply.ts';
import { qemuLimits } from '../../../../src/vm/limits/disk.ts';
import { allowed, oneRequest } from '../../../../src/vm/limits/measure.ts';
import { idleBursts, type LimitChange, mergeLimits } from '../../../../src/vm/limits/merge.ts';
import { changedLines, LIMIT_WORDS } from '../../../../src/vm/limits/words.ts';
import { Random } from '../../../support/random.ts';

test('each limit is kept by one group', () => {
  const kept = LIMIT_GROUPS.flatMap(({ keys }) => keys);
  assert.deepEqual([...kept].sort(), [...LIMIT_KEYS].sort());
});

test('200 random changes leave what a model says', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const random = new Random(seed);
    const next = (): number => random.next();
    const model = new Map<string, number>();
    let limits: VmLimits = {};
    for (let i = 0; i < 200; i++) {
      const change = randomChange(next);
      limits = mergeLimits(limits, change);
      if (change.reset === true) model.clear();
      for (const [key, value] of Object.entries(change.set)) {
        if (value === 0 || (key === 'cpu_shares' && value === 1024)) model.delete(key);
        else if (value !== undefined) model.set(key, value);
      }
      assert.deepEqual(
        Object.entries(limits).sort(),
        [...model].sort(([a], [b]) => (a < b ? -1 : 1)),
        `seed ${seed}, change ${i}: ${JSON.stringify(change)}`,
      );
      assert.ok(z.safeParse(VmLimits, limits).success);
    }
  }
});

test('what is out of range is no limit', () => {
  for (const key of LIMIT_KEYS) {
    const [least, most] = LIMIT_RANGES[key];
    for (const value of [least - 1, most + 1, 1.5, '7'])
      assert.equal(z.safeParse(VmLimits, { [key]: value }).success, false, `${key} ${value}`);
    for (const value of [least, most])
      assert.equal(z.safeParse(VmLimits, { [key]: value }).success, true, `${key} ${value}`);
  }
  assert.equal(z.safeParse(VmLimits, { other: 1 }).success, false);
});

test('QEMU is always told all of it: what is not named it would leave', () => {
  assert.deepEqual(qemuLimits({}), {
    'iops-read': 0,
    'iops-write': 0,
    'iops-read-max': 0,
    'iops-write-max': 0,
    'iops-read-max-length': 1,
    'iops-write-max-length': 1,
    'bps-read': 0,
    'bps-write': 0,
  });
});

test('a burst goes with the rates that it exceeds', () => {
  const limits = { iops_read: 100, iops_write: 900, iops_burst: 500, iops_burst_seconds: 10 };
  const qemu = qemuLimits(limits);
  assert.deepEqual([qemu['iops-read-max'], qemu['iops-read-max-length']], [500, 10]);
  assert.deepEqual([qemu['iops-write-max'], qemu['iops-write-max-length']], [0, 1]);
});

test('a line tells what is now, in plain words, and what was', () => {
  const before = { bandwidth_in: 10_000, iops_read: 500 };
  const after = { bandwidth_in: 1500, iops_read: 500, cpu_quota: 50 };
  assert.deepEqual(changedLines(before, after, []), [
    'CPU limit: 50 % of its vCPUs',
    'bandwidth to the guest: 1500 kbit/s (before: 10 Mbit/s)',
  ]);
  assert.deepEqual(
    changedLines(after, {}, []).at(-1),
    'disk reads: unlimited (before: 500 operations/s)',
  );
  assert.deepEqual(changedLines(after, after, ['iops_read']), ['disk reads: 500 operations/s']);
});

function randomChange(next: () => number): LimitChange {
  const set: LimitChange['set'] = {};
  for (let i = 0; i <= next() * 3; i++) {
    const key = LIMIT_KEYS[Math.floor(next() * LIMIT_KEYS.length)] ?? 'iops_read';
    const [least, most] = LIMIT_RANGES[key];
    const zero = next() < 0.2 && key !== 'cpu_quota' && key !== 'cpu_shares';
    const shares = key === 'cpu_shares' && next() < 0.3;
    set[key] = zero ? 0 : shares ? 1024 : least + Math.floor(next() * (most - least + 1));
  }
  return { set, reset: next() < 0.05 };
}

test('a burst that no rate is below has no effect', () => {
  assert.deepEqual(idleBursts({ iops_burst: 500, bandwidth_burst: 80 }), [
    'iops_burst',
    'bandwidth_burst',
  ]);
  const disk = { iops_burst: 500, iops_burst_seconds: 9 };
  assert.deepEqual(idleBursts({ ...disk, iops_read: 500, bps_write: 1 }), Object.keys(disk));
  assert.deepEqual(idleBursts({ ...disk, iops_read: 900, iops_write: 499 }), []);
  assert.deepEqual(idleBursts({ bandwidth_out: 9, bandwidth_burst: 1, iops_read: 5 }), []);
  assert.deepEqual(idleBursts({ iops_read: 5, iops_burst_seconds: 9 }), ['iops_burst_seconds']);
});

test('a burst that was saved up is no excess', () => {
  const burst = { iops_read: 500, iops_burst: 2000 };
  assert.equal(allowed('iops_read', 500, { iops_read: 500 }, 5), 500);
  assert.equal(allowed('iops_read', 500, burst, 5), 900);
  assert.equal(allowed('iops_read', 500, { ...burst, iops_burst_seconds: 60 }, 5), 2000);
  // One below the rate is none.
  assert.equal(allowed('iops_read', 3000, burst, 5), 3000);
  assert.equal(allowed('bandwidth_in', 1000, { bandwidth_burst: 5000 }, 5), 2000);
  assert.equal(allowed('cpu_quota', 50, burst, 5), 50);
});

test('a bucket that was full is no excess, and is most of what a slow link lets through in a moment', () => {
  // 3200 bytes are 25.6 kbit.
  assert.equal(allowed('bandwidth_out', 10, {}, 5), 10 + 25.6 / 5);
  assert.equal(allowed('bandwidth_out', 1000, {}, 5), 1050);
});

test('a request goes through whole, however low the limit', () => {
  const used = { iops_read: 2, bps_read: 2 * 2 ** 20, iops_write: 0, bps_write: 0 };
  assert.equal(oneRequest('bps_read', used), 2 ** 20);
  assert.equal(oneRequest('bps_write', used), 0);
  assert.equal(oneRequest('iops_read', used), 1);
  assert.equal(oneRequest('cpu_quota', used), 0);
});

test('what is used of a limit is told in its unit, nothing too', () => {
  assert.equal(LIMIT_WORDS.bandwidth_in.value(0), '0 kbit/s');
  assert.equal(LIMIT_WORDS.bps_read.value(0), '0 bytes/s');
});
