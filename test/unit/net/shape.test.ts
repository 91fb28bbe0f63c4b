import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasClsact, hasFilter, leadsTo, parseBucket } from '../../../src/net/shape/listing.ts';
import {
  bucketOf,
  holds,
  ifbName,
  type ShapeInForce,
  shapePlan,
} from '../../../src/net/shape/plan.ts';
import { difference } from '../../../src/net/shape/shape.ts';

const TAP = 'tap100i0';
const NOTHING: ShapeInForce = { ifb: false, redirected: false };
const BOTH: ShapeInForce = {
  in: { bytesPerSecond: 125_000, bytes: 31_250 },
  out: { bytesPerSecond: 125_000, bytes: 31_250 },
  ifb: true,
  redirected: true,
};

test('nothing wanted and nothing there is nothing to do', () => {
  assert.deepEqual(shapePlan(TAP, {}, NOTHING), { make: [], tc: [], remove: [] });
});

test('to the guest: a bucket at the tap; from the guest: one on a device of its own', () => {
  assert.deepEqual(shapePlan(TAP, { in: 10_000, out: 1000 }, NOTHING), {
    make: [
      'link add dev ifb100i0 type ifb',
      'link set dev ifb100i0 addrgenmode none',
      'link set dev ifb100i0 up',
    ],
    tc: [
      'qdisc replace dev tap100i0 root handle 1: tbf rate 10000kbit burst 128000 limit 250000',
      'qdisc replace dev ifb100i0 root handle 1: tbf rate 1000kbit burst 31250 limit 65536',
      'qdisc replace dev tap100i0 clsact',
      'filter replace dev tap100i0 ingress protocol all prio 1 handle 800::1 u32 match u32 0 0 action mirred egress redirect dev ifb100i0',
    ],
    remove: [],
  });
});

test('taking away leaves what a tap has by itself, and only that', () => {
  assert.deepEqual(shapePlan(TAP, {}, BOTH), {
    make: [],
    tc: ['qdisc del dev tap100i0 root', 'qdisc del dev tap100i0 clsact'],
    remove: ['link delete dev ifb100i0'],
  });
  assert.deepEqual(shapePlan(TAP, { in: 1000 }, BOTH).remove, ['link delete dev ifb100i0']);
  const stale = { ...NOTHING, ifb: true };
  assert.deepEqual(shapePlan(TAP, {}, stale), {
    make: [],
    tc: [],
    remove: ['link delete dev ifb100i0'],
  });
});

test('a place for filters goes when the kernel has refused the filter', () => {
  const { tc } = shapePlan(TAP, {}, { ...NOTHING, unused: true });
  assert.deepEqual(tc, ['qdisc del dev tap100i0 clsact']);
  assert.equal(hasClsact('[{"kind":"pfifo_fast","root":true},{"kind":"clsact"}]'), true);
  assert.equal(hasClsact('[{"kind":"pfifo_fast","root":true}]'), false);
  assert.equal(hasFilter('[]'), false);
  assert.equal(hasFilter('[{"protocol":"all","kind":"bpf"}]'), true);
});

test('a change replaces the bucket in its place', () => {
  const { make, tc } = shapePlan(TAP, { in: 2000, out: 2000 }, BOTH);
  assert.ok(!make.some((line) => /link add/.test(line)));
  assert.ok(!tc.some((line) => / del /.test(line)));
});

test('a bucket that shrinks below a whole packet is made anew: one would wait for ever', () => {
  const { tc } = shapePlan(TAP, { in: 500, out: 1000 }, BOTH);
  assert.deepEqual(tc.slice(0, 3), [
    'qdisc del dev tap100i0 root',
    'qdisc replace dev tap100i0 root handle 1: tbf rate 500kbit burst 15625 limit 65536',
    'qdisc replace dev ifb100i0 root handle 1: tbf rate 1000kbit burst 31250 limit 65536',
  ]);
  const large = { ...BOTH, in: { bytesPerSecond: 125_000_000, bytes: 6_250_000 } };
  assert.ok(!shapePlan(TAP, { in: 5000, out: 1000 }, large).tc.some((line) => / del /.test(line)));
});

test('no burst doubles the first second, and no bucket is too small for a frame', () => {
  for (let kbit = 1; kbit <= 100_000_000; kbit = Math.ceil(kbit * 1.37)) {
    const { bytes, queue } = bucketOf(kbit);
    assert.ok(bytes >= 3200 && queue >= bytes, String(kbit));
    if (kbit >= 26) assert.ok(bytes <= kbit * 125, String(kbit));
  }
  assert.equal(bucketOf(1000, 80).bytes, 10_000);
  assert.equal(bucketOf(1000, 1).bytes, 3200);
});

test('a burst goes at once, and makes nobody wait longer afterwards', () => {
  assert.deepEqual(bucketOf(1000, 80_000), { bytes: 10_000_000, queue: 128_000 });
  assert.deepEqual(bucketOf(100_000, 34_359_738), { bytes: 4_294_967_250, queue: 2_500_000 });
  // A packet that is handed on whole is not refused.
  assert.deepEqual(bucketOf(1000, 800), { bytes: 100_000, queue: 100_000 });
});

test('the name of the other device fits wherever that of the tap does', () => {
  assert.equal(ifbName('tap99999999i0').length, 'tap99999999i0'.length);
});

test("tc's listing: only a bucket at the root, and only a redirection to that device", () => {
  const tbf = '[{"kind":"tbf","handle":"1:","root":true,"options":{"rate":125000,"burst":6250}}]';
  assert.deepEqual(parseBucket(tbf), { bytesPerSecond: 125_000, bytes: 6250 });
  assert.equal(parseBucket('[{"kind":"fq_codel","root":true,"options":{}}]'), undefined);
  assert.equal(parseBucket('[]'), undefined);
  const filter =
    '[{"protocol":"all","kind":"u32"},{"kind":"u32","options":{"actions":[{"kind":"mirred","to_dev":"ifb100i0"}]}}]';
  assert.equal(leadsTo(filter, 'ifb100i0'), true);
  assert.equal(leadsTo(filter, 'ifb101i0'), false);
  assert.equal(leadsTo('', 'ifb100i0'), false);
  assert.throws(() => parseBucket('{"kind":1}'), /tc lists in a way not known here/);
});

test('a bucket is known by what tc 6.1 tells of it, also when that has begun again', () => {
  // kbit/s, bytes that were asked for, bytes that `tc -j qdisc show` told.
  for (const [kbit, asked, told] of [
    [1, 3200, 3200],
    [26, 3250, 3249],
    [50_000, 312_500, 312_500],
    [100_000_000, 625_000_000, 624_987_500],
    [1, 12_500_000, 27_414],
    [100, 1_250_000_000, 2_741_497],
    [1000, 4_294_967_295, 34_359_737],
    [1000, 1_000_000_000, 3_567_587],
  ] as const) {
    const bucket = { bytesPerSecond: kbit * 125, bytes: told };
    assert.ok(holds(bucket, asked), `${kbit} kbit/s, ${asked} bytes`);
    assert.ok(!holds(bucket, Math.round(asked * 1.01)), `${kbit} kbit/s, not ${asked} bytes`);
  }
});

test('what was read back is compared to the byte', () => {
  assert.equal(difference({ in: 1000, out: 1000 }, BOTH), undefined);
  assert.match(difference({ in: 1000 }, BOTH) ?? '', /out is 125000, not unlimited/);
  assert.match(difference({ in: 999, out: 1000 }, BOTH) ?? '', /in is 125000, not 124875/);
});
