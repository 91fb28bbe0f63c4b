import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { poll, sleep } from '../../../src/host/time.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { LIMIT_KEYS, LIMIT_RANGES, type LimitKey } from '../../../src/store/vm-limits.ts';
import { parseVmName, THROTTLE_GROUP } from '../../../src/types.ts';
import { measure } from '../../../src/vm/limits/measure.ts';
import { DirectIo, type IoKind } from '../../support/guest-io/direct-io.ts';
import { heldRate } from '../../support/guest-io/held-rate.ts';
import { Namespace } from '../../support/namespace.ts';
import { Stream } from '../../support/net/stream.ts';
import type { Finished } from '../../support/program.ts';
import { Random } from '../../support/random.ts';
import { Sandbox } from '../../support/sandbox.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const POOL = { network: '192.0.2.0/24', start: 10, end: 12, gateway: '192.0.2.1' };
const TAP = 'tap100i0';
const IFB = 'ifb100i0';

const namespace = await Namespace.make({ after }, '192.0.2.1/24');
const { prefix } = namespace;
const sandbox = await Sandbox.make({ after }, { network: 'bridge', bridge: 'br0', ip_pool: POOL });

const run = (verb: string, ...args: string[]): Promise<Finished> =>
  sandbox.run(verb, args, { prefix });
const ok = (verb: string, ...args: string[]): Promise<string> => sandbox.ok(verb, args, { prefix });
const throttle = (...args: string[]): Promise<string> => ok('throttle', 'web1', ...args);
const inGuest = (command: string): Promise<string> => ok('guest-exec', 'web1', command);
/** Starts a command in the guest, when that and its network are up, and leaves it running. */
async function inBackground(command: string): Promise<void> {
  const up = async (): Promise<true | undefined> =>
    (await run('guest-exec', 'web1', 'ip -4 addr show eth0 | grep -q inet')).code === 0
      ? true
      : undefined;
  assert.ok(await poll(up, { deadlineMs: 120_000, everyMs: 200 }), 'the guest does not come up');
  await ok('guest-exec', 'web1', `(${command}) </dev/null >/dev/null 2>&1 &`);
}

interface Shown {
  requested: Record<string, number>;
  in_force: Record<string, number> | null;
  since: Record<string, string>;
}

const show = async (): Promise<Shown> => JSON.parse(await throttle('--show', '--json'));
const qdisc = async (device: string): Promise<string> =>
  (await namespace.exec('tc', 'qdisc', 'show', 'dev', device)).stdout;
const devices = async (): Promise<string> => await namespace.ip('-o link show');
const diskLimits = (): Promise<Record<string, number>> =>
  withQmp(sandbox.files('web1').probe, async (qmp) => {
    const value = { path: `/objects/${THROTTLE_GROUP}`, property: 'limits' };
    return (await qmp.execute('qom-get', value)) as Record<string, number>;
  });

/** What tc and QEMU have of a VM of which nobody has said anything. */
const untouched = { qdisc: '', limits: {} as Record<string, number> };
before(async () => {
  await ok('create', 'web1', ...sandbox.tiny, '--apply');
  untouched.qdisc = await qdisc(TAP);
  untouched.limits = await diskLimits();
});

test('each limit is told in one line, and stands in kernel and QEMU', async () => {
  assert.equal(
    await throttle('--bandwidth-in', '10000', '--iops-read', '500', '--iops-burst', '2000'),
    'bandwidth to the guest: 10 Mbit/s\ndisk reads: 500 operations/s\ndisk burst: 2000 operations/s\n',
  );
  assert.match(await qdisc(TAP), /tbf 1: root refcnt 2 rate 10Mbit/);
  const { 'iops-read': reads, 'iops-read-max': most, 'iops-write': writes } = await diskLimits();
  assert.deepEqual([reads, most, writes], [500, 2000, 0]);
});

test('limits add up: what is not named stays', async () => {
  assert.equal(await throttle('--iops-write', '300'), 'disk writes: 300 operations/s\n');
  assert.equal(
    await throttle('--iops-read', '600'),
    'disk reads: 600 operations/s (before: 500 operations/s)\n',
  );
  assert.equal(await throttle('--bandwidth-out', '2000'), 'bandwidth from the guest: 2 Mbit/s\n');
  const { requested, in_force } = await show();
  const all = { bandwidth_in: 10_000, bandwidth_out: 2000, iops_read: 600, iops_write: 300 };
  assert.deepEqual(requested, { ...all, iops_burst: 2000 });
  assert.deepEqual(in_force, requested);
  assert.match(await qdisc(IFB), /tbf 1: root refcnt 2 rate 2Mbit/);
});

test('of each limit is shown since when it is in force', async () => {
  const { since } = await show();
  assert.ok(String(since.bandwidth_in) < String(since.iops_write), JSON.stringify(since));
  await throttle('--iops-write', '301', '--bandwidth-in', '10000');
  const later = await show();
  assert.ok(String(later.since.iops_write) > String(since.iops_write), JSON.stringify(later));
  assert.equal(later.since.bandwidth_in, since.bandwidth_in);
  const { stdout } = await run('throttle', 'web1', '--show');
  assert.ok(stdout.includes(`301 operations/s (in force since ${later.since.iops_write})`), stdout);
  await throttle('--iops-write', '300');
});

test('repeating a command mends what somebody else has undone', async () => {
  await namespace.exec('tc', 'qdisc', 'del', 'dev', TAP, 'root');
  const noticed = await run('throttle', 'web1', '--show');
  assert.equal(noticed.code, 1);
  assert.match(noticed.stdout, /to the guest: 10 Mbit\/s \(NOT in force: .*unlimited\)/);
  await throttle('--iops-read', '600');
  assert.deepEqual((await show()).in_force?.bandwidth_in, 10_000);
});

test('--verify does not call a limit kept that is not there', async () => {
  await namespace.exec('tc', 'filter', 'del', 'dev', TAP, 'ingress');
  const { code, stdout } = await run('throttle', 'web1', '--verify');
  assert.equal(code, 1);
  assert.match(stdout, /bandwidth from the guest: 2 Mbit\/s \(NOT in force: .*unlimited\)/);
  assert.doesNotMatch(stdout, /from the guest: uses/);
  await throttle('--iops-read', '600');
  assert.deepEqual((await show()).in_force?.bandwidth_out, 2000);
});

test('a bucket of another size is noticed, and mended', async () => {
  await throttle('--bandwidth-out', '2000', '--bandwidth-burst', '800');
  assert.equal((await show()).in_force?.bandwidth_burst, 800);
  const other = ['root', 'handle', '1:', 'tbf', 'rate', '2000kbit', 'burst', '50000'];
  await namespace.exec('tc', 'qdisc', 'replace', 'dev', IFB, ...other, 'limit', '100000');
  const { code, stdout } = await run('throttle', 'web1', '--show');
  assert.equal(code, 1);
  assert.match(stdout, /bandwidth burst: 800 kbit \(NOT in force: bandwidth burst: 400 kbit\)/);
  await throttle('--bandwidth-out', '2000');
  assert.equal((await show()).in_force?.bandwidth_burst, 800);
  await throttle('--bandwidth-burst', '0');
});

test('nothing given, out of range, no such VM, another runner: one line, nothing changed', async () => {
  const asked = await show();
  for (const [args, pattern] of [
    [[], /no limit is given/],
    [['--cpu-quota', '101'], /--cpu-quota 101 is out of range; use 1 to 100/],
    [['--cpu-quota', '0'], /--cpu-quota 0 is out of range/],
    [['--cpu-shares', '10001', '--iops-read', '7'], /--cpu-shares 10001 is out of range/],
    [['--iops-read', '-1'], /use a whole number/],
    [['--iops-read', '1e3'], /use a whole number/],
    [['--iops-read', '99999999'], /out of range/],
    [['--bandwidth-burst', '34359739'], /34359739 is out of range; use 1 to 34359738/],
    [['--cpu-quota', '50', '--iops-read', '7'], /CPU limits are not supported here/],
  ] as const) {
    const { code, stdout, stderr } = await run('throttle', 'web1', ...args);
    assert.deepEqual([code, stdout], [1, ''], args.join(' '));
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    assert.match(stderr, pattern);
  }
  const { code, stderr } = await run('throttle', 'web9', '--iops-read', '7');
  assert.equal(code, 1);
  assert.match(stderr, /VM web9 does not exist/);
  assert.deepEqual(await show(), asked);
});

test('limits last over stop and start, and hold before the guest runs', async () => {
  const { requested } = await show();
  await ok('kill', 'web1');
  assert.doesNotMatch(await devices(), /ifb|tap/);
  const off = await run('throttle', 'web1', '--iops-read', '7');
  assert.deepEqual([off.code, off.stdout], [1, '']);
  assert.match(off.stderr, /VM web1 is not running/);
  const began = new Date().toISOString();
  await ok('start', 'web1');
  const { in_force, since } = await show();
  assert.deepEqual(in_force, requested);
  assert.ok(
    Object.values(since).every((time) => time >= began),
    JSON.stringify(since),
  );
  // A QEMU that was killed leaves the other direction's device; the next start makes its own.
  process.kill(sandbox.pid('web1'), 'SIGKILL');
  const gone = (): Promise<true | undefined> =>
    namespace.taps().then((taps) => (taps.length === 0 ? true : undefined));
  assert.ok(await poll(gone, { deadlineMs: 20_000, everyMs: 50 }));
  await ok('start', 'web1');
  assert.deepEqual((await show()).in_force, requested);
});

test('a start that cannot put them in force fails, and leaves nothing', async (t) => {
  await ok('kill', 'web1');
  const bin = temporaryDirectory(t);
  fs.writeFileSync(`${bin}/tc`, '#!/bin/sh\necho "Error: Unknown qdisc" >&2\nexit 2\n', {
    mode: 0o755,
  });
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const { code, stderr } = await sandbox.run('start', ['web1'], { prefix, env });
  assert.equal(code, 1);
  assert.match(stderr, /VM web1: its network limits cannot be put in force: .*Unknown qdisc/);
  assert.match(stderr, /on a host of your own lift its limits: configure web1 --no-limits/);
  assert.equal(await ok('status', 'web1'), 'suspended\n');
  assert.doesNotMatch(await devices(), /ifb|tap/);
  await ok('start', 'web1');
});

test('what cannot be put in force is told, and the record keeps to the truth', async (t) => {
  const { requested } = await show();
  const bin = temporaryDirectory(t);
  const real = (await namespace.exec('sh', '-c', 'command -v tc')).stdout.trim();
  const script = `#!/bin/sh\n[ "$1" != -batch ] || { echo "Error: Specified qdisc kind is unknown." >&2; exit 2; }\nexec ${real} "$@"\n`;
  fs.writeFileSync(`${bin}/tc`, script, { mode: 0o755 });
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const args = ['web1', '--bandwidth-in', '7000', '--iops-read', '700'];
  const { code, stdout, stderr } = await sandbox.run('throttle', args, { prefix, env });
  assert.equal(code, 1);
  assert.equal(stdout, 'disk reads: 700 operations/s (before: 600 operations/s)\n');
  assert.match(stderr, /network limits are not in force as asked: .*qdisc kind is unknown/);
  const now = await show();
  assert.deepEqual(now.requested, { ...requested, iops_read: 700 });
  assert.deepEqual(now.in_force, now.requested);
  await ok('throttle', ...args);
  assert.deepEqual((await show()).in_force, { ...now.requested, bandwidth_in: 7000 });
});

test('from another network namespace nothing of its bandwidth is changed, and nobody says so', async () => {
  const { requested } = await show();
  const { code, stdout, stderr } = await sandbox.run('throttle', ['web1', '--reset']);
  assert.equal(code, 1);
  assert.match(stdout, /^disk reads: unlimited/);
  assert.doesNotMatch(stdout, /bandwidth/);
  assert.match(
    stderr,
    /network limits are not in force as asked: .* tap100i0 is not in this network/,
  );
  const [bandwidth, disk] = await throttle('--iops-read', '700')
    .then(show)
    .then(({ in_force }) => [
      [in_force?.bandwidth_in, in_force?.bandwidth_out],
      in_force?.iops_read,
    ]);
  assert.deepEqual(bandwidth, [requested.bandwidth_in, requested.bandwidth_out]);
  assert.equal(disk, 700);
  const others = ['--iops-write', '300', '--iops-burst', '2000'];
  await throttle(...others);
});

test('--reset restores what was there at first, and lasts', async () => {
  const lines = (await throttle('--reset')).trimEnd().split('\n');
  assert.equal(lines.length, 5, lines.join('\n'));
  for (const line of lines) assert.match(line, /: (unlimited|none) \(before: /);
  const same = async (): Promise<void> => {
    assert.equal(await qdisc(TAP), untouched.qdisc);
    assert.deepEqual(await diskLimits(), untouched.limits);
    assert.doesNotMatch(await devices(), /ifb/);
    assert.deepEqual(await show().then(({ in_force }) => in_force), {});
  };
  await same();
  await ok('kill', 'web1');
  await ok('start', 'web1');
  await same();
});

test('a filter that the kernel refuses leaves nothing on the tap', async (t) => {
  const bin = temporaryDirectory(t);
  const real = (await namespace.exec('sh', '-c', 'command -v tc')).stdout.trim();
  const refused = `sed 's/u32 match/none match/' | ${real} -batch -`;
  const script = `#!/bin/sh\nif [ "$1" = -batch ]; then ${refused}; else exec ${real} "$@"; fi\n`;
  fs.writeFileSync(`${bin}/tc`, script, { mode: 0o755 });
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const args = ['web1', '--bandwidth-in', '5000', '--bandwidth-out', '5000', '--iops-read', '600'];
  const { code, stdout, stderr } = await sandbox.run('throttle', args, { prefix, env });
  assert.deepEqual([code, stdout], [1, 'disk reads: 600 operations/s\n']);
  assert.match(
    stderr,
    /not in force as asked: the kernel cannot shape traffic: Unknown filter "none"/,
  );
  assert.match(
    stderr,
    /; it stays at bandwidth to the guest: unlimited, bandwidth from the guest: unlimited\n/,
  );
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
  assert.equal(await qdisc(TAP), untouched.qdisc);
  assert.doesNotMatch(await devices(), /ifb/);
  const { requested, in_force } = await show();
  assert.deepEqual([requested, in_force], [{ iops_read: 600 }, { iops_read: 600 }]);
  await throttle('--reset');
});

test('a QEMU that does not answer is limited by whoever needs no answer of it', async () => {
  const pid = sandbox.pid('web1');
  process.kill(pid, 'SIGSTOP');
  try {
    const { code, stdout, stderr } = await run('throttle', 'web1', '--bandwidth-in', '4000');
    assert.deepEqual([code, stdout], [1, 'bandwidth to the guest: 4 Mbit/s\n']);
    assert.match(
      stderr,
      /^VM web1: disk limits are not in force as asked: QEMU at .* not answering.*; run it again when QEMU answers\n$/,
    );
    assert.match(await qdisc(TAP), /tbf 1: root refcnt 2 rate 4Mbit/);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  assert.equal(await throttle('--iops-read', '900'), 'disk reads: 900 operations/s\n');
  const all = { bandwidth_in: 4000, iops_read: 900 };
  const { requested, in_force } = await show();
  assert.deepEqual([requested, in_force], [all, all]);
  await throttle('--reset');
});

const KEYS = LIMIT_KEYS.filter((key) => !/^cpu/.test(key));

test('200 random options leave what a model says, read back from kernel and QEMU', async (t) => {
  const seed = 20;
  t.diagnostic(`seed ${seed}`);
  const random = new Random(seed);
  const next = (): number => random.next();
  const model = new Map<LimitKey, number>();
  for (let options = 0; options < 200; ) {
    const args: string[] = [];
    const reset = next() < 0.05;
    if (reset) model.clear();
    const named = KEYS.filter(() => next() < 0.5);
    for (const key of named) {
      // High enough not to hold up what the test itself needs.
      const [least, most] = [Math.max(LIMIT_RANGES[key][0], 100), LIMIT_RANGES[key][1]];
      const highest = key === 'bandwidth_burst' ? most : Math.min(most, 1_000_000);
      const value = next() < 0.2 ? 0 : least + Math.floor(next() * (highest - least + 1));
      args.push(`--${key.replaceAll('_', '-')}`, String(value));
      if (value === 0) model.delete(key);
      else model.set(key, value);
      options++;
    }
    if (reset) args.push('--reset');
    if (args.length === 0) continue;
    await throttle(...args);
    const wanted = Object.fromEntries([...model].sort());
    const { requested, in_force } = await show();
    assert.deepEqual(sorted(requested), wanted, args.join(' '));
    assert.deepEqual(sorted(in_force ?? {}), wanted, args.join(' '));
  }
  await throttle('--reset');
});

test('while use is measured, observers get at the monitor', async () => {
  let ended = false;
  const measuring = measure(sandbox.host(), parseVmName('web1'), {}, 5).finally(() => {
    ended = true;
  });
  let answers = 0;
  while (!ended) {
    await withQmp(sandbox.files('web1').probe, (qmp) => qmp.execute('query-status'));
    answers++;
    await sleep(50);
  }
  await measuring;
  // Of a monitor that is held one answer comes before, and one after.
  assert.ok(answers >= 5, `${answers} answers`);
});

test('two commands at once, and one against a start: no option is lost', async () => {
  await Promise.all([
    throttle('--iops-read', '1000'),
    throttle('--iops-write', '2000'),
    throttle('--bandwidth-in', '3000'),
  ]);
  const all = { bandwidth_in: 3000, iops_read: 1000, iops_write: 2000 };
  assert.deepEqual(sorted((await show()).in_force ?? {}), sorted(all));
  await ok('kill', 'web1');
  const start = sandbox.begin('start', ['web1'], { prefix });
  const during = await run('throttle', 'web1', '--iops-read', '1500');
  assert.equal((await start.done).code, 0);
  const expected = during.code === 0 ? { ...all, iops_read: 1500 } : all;
  assert.deepEqual(sorted((await show()).in_force ?? {}), sorted(expected));
  await throttle('--reset');
});

/** The share of TCP's payload in a full Ethernet frame: 1448 of 1514 bytes. */
const PAYLOAD = 1448 / 1514;

for (const [direction, option, kind] of [
  ['from the guest', '--bandwidth-out', 'sink'],
  ['to the guest', '--bandwidth-in', 'source'],
] as const) {
  test(`bandwidth ${direction}: what was asked, no burst at first, changed without a break`, async (t) => {
    const port = kind === 'sink' ? 5001 : 5002;
    await throttle(option, '10000');
    const stream = await Stream.listen(namespace, kind, port);
    try {
      await inBackground(`nc 192.0.2.1 ${port} ${kind === 'sink' ? '</dev/zero' : '>/dev/null'}`);
      await stream.reach(1);
      const { at, bytes } = stream.pointAt(1);
      const first = bytes * 8;
      t.diagnostic(`first ${at.toFixed(1)} s of 10 Mbit/s: ${(first / 1e6).toFixed(2)} Mbit`);
      assert.ok(first <= 10e6 * (at + 1), `${first} bits in the first ${at} s`);
      // The same connection throughout; a bucket that holds a whole packet, one that does not, and back.
      for (const mbit of [10, 3, 1, 50]) {
        await throttle(option, String(mbit * 1000));
        // After a change TCP has to find its pace again.
        await stream.reach(stream.now + 5);
        await carries(stream, mbit, (text) => t.diagnostic(text));
      }
    } finally {
      stream.close();
      await throttle('--reset');
    }
  });
}

/**
 * Finds that a stream goes at the pace that a limit leaves to it. A machine that stands still for a second of those that
 * are measured makes it slower or, by what has piled up, faster: then it is measured again, at most three times, and has to
 * be right twice in a row; what is faster twice is not held.
 */
async function carries(stream: Stream, mbit: number, tell: (text: string) => void): Promise<void> {
  const said: string[] = [];
  let [faster, right, needed] = [0, 0, 1];
  while (said.length < 4 && faster < 2) {
    const from = stream.now;
    await stream.reach(from + 8);
    const found = stream.rate(from, from + 8) / 1e6;
    const share = found / (mbit * PAYLOAD);
    said.push(`${mbit} Mbit/s: ${found.toFixed(3)} of payload, ${(100 * share).toFixed(1)} %`);
    tell(said.at(-1) ?? '');
    if (Math.abs(share - 1) <= 0.05) {
      right++;
      if (right === needed) return;
      continue;
    }
    [right, needed] = [0, 2];
    if (share > 1) faster++;
  }
  assert.fail(said.join('\n'));
}

/** What --verify prints, once QEMU answers in time: on a busy machine it may not. */
async function verified(): Promise<string> {
  const look = async (): Promise<string | undefined> => {
    const { stdout, stderr } = await run('throttle', 'web1', '--verify');
    return /busy or not answering/.test(stderr) ? undefined : `${stdout}${stderr}`;
  };
  return (await poll(look, { deadlineMs: 60_000, everyMs: 500 })) ?? 'QEMU does not answer';
}

/** Puts a limit on these requests of the guest, and on none else. */
async function limitDisk(kinds: readonly IoKind[], rate: number | undefined): Promise<void> {
  const options = rate === undefined ? [] : kinds.flatMap((k) => [`--iops-${k}`, String(rate)]);
  await throttle('--reset', ...options);
}

// One request after the other does not get an emulated guest to thousands, nor to hundreds on a busy machine.
const DISK_LOADS = [
  { kinds: ['read'], loads: [1, 8, 32], rates: [50, 500, 5000] },
  { kinds: ['write'], loads: [1, 8, 32], rates: [50, 500, 5000] },
  { kinds: ['read', 'write'], loads: [1, 8, 32], rates: [50, 500, 5000] },
] as const;

for (const { kinds, loads, rates } of DISK_LOADS) {
  test(`${kinds.join('s and ')}s by direct I/O of a guest: ${rates.join(', ')} per second`, async (t) => {
    const monitor = sandbox.files('web1').probe;
    const tell = (text: string): void => t.diagnostic(text);
    const io = await DirectIo.install(t, inGuest);
    for (const [i, wanted] of rates.entries()) {
      const depth = loads[i] ?? 1;
      const held = await heldRate({ io, monitor, limit: limitDisk, kinds, depth, wanted, tell });
      const used = await verified();
      for (const kind of kinds)
        assert.match(used, new RegExp(`disk ${kind}s: uses \\d+ operations/s of ${held} .*: kept`));
      await io.end();
    }
    await throttle('--reset');
  });
}

test('IPv6 is counted in both directions', async () => {
  await throttle('--bandwidth-in', '1000', '--bandwidth-out', '1000');
  const sent = async (device: string): Promise<number> => {
    const { stdout } = await namespace.exec('tc', '-s', '-j', 'qdisc', 'show', 'dev', device);
    const [root] = JSON.parse(stdout).filter(({ kind }: { kind: string }) => kind === 'tbf');
    return root.bytes;
  };
  const before = [await sent(TAP), await sent(IFB)] as const;
  const address = /inet6 (fe80[^/ ]*)/.exec(await namespace.ip('-6 addr show dev br0'))?.[1];
  await inGuest(`ping6 -c 4 -w 60 -s 1400 ${address}%eth0`);
  // A frame has 14 bytes of Ethernet, 40 of IPv6, and 8 of ICMP.
  const least = 4 * (1400 + 14 + 40 + 8);
  assert.ok((await sent(TAP)) - before[0] >= least, 'to the guest');
  assert.ok((await sent(IFB)) - before[1] >= least, 'from the guest');
  await throttle('--reset');
});

test('limits of a VM that is off can be lifted, for a host that has come not to enforce them', async () => {
  await throttle('--iops-read', '700');
  const lift = (): Promise<Finished> => run('configure', 'web1', '--no-limits');
  assert.match((await lift()).stderr, /VM web1 is running: only one that is off can be changed/);
  await ok('kill', 'web1');
  assert.equal((await lift()).stdout, 'VM web1: limits changed\n');
  assert.equal((await lift()).stdout, 'VM web1: nothing changed\n');
  await ok('start', 'web1');
  const { requested, in_force } = await show();
  assert.deepEqual([requested, in_force], [{}, {}]);
});

test('a VM with user networking: bandwidth is refused, the disk is not', async () => {
  const other = await sandbox.sibling({ network: 'user' });
  await other.ok('create', ['web2', ...other.tiny, '--apply']);
  const { code, stdout, stderr } = await other.run('throttle', ['web2', '--bandwidth-in', '1000']);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /bandwidth cannot be limited with user networking/);
  await other.ok('throttle', ['web2', '--iops-read', '500']);
  await other.ok('destroy', ['web2']);
});

test('a change costs no more than some starts of Node', async (t) => {
  const times = { node: [] as number[], throttle: [] as number[] };
  const seconds = async (work: Promise<unknown>): Promise<number> => {
    const began = performance.now();
    await work;
    return (performance.now() - began) / 1000;
  };
  for (let round = 0; round < 7; round++) {
    times.node.push(await seconds(namespace.exec('node', '-e', '1')));
    const value = String(1000 + round);
    const args = ['--bandwidth-in', value, '--bandwidth-out', value, '--iops-read', value];
    times.throttle.push(await seconds(throttle(...args)));
  }
  const [node, change] = [median(times.node), median(times.throttle)];
  t.diagnostic(`one start of Node ${node.toFixed(3)} s, throttle ${change.toFixed(3)} s`);
  // 0.4 s where a start of Node takes 0.065 s.
  assert.ok(change / node <= 0.4 / 0.065, `${change / node} starts of Node`);
});

test('destroy leaves nothing of the limits, not even of one that is being set', async () => {
  await throttle('--bandwidth-out', '1000', '--iops-read', '100');
  const both = [run('throttle', 'web1', '--bandwidth-out', '2000'), ok('destroy', 'web1')] as const;
  const [late] = await Promise.all(both);
  if (late.code !== 0) assert.match(late.stderr, /does not exist|is not running|is busy|destroy/);
  assert.doesNotMatch(await devices(), /ifb|tap/);
  assert.equal(fs.existsSync(path.dirname(sandbox.files('web1').config)), false);
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function sorted(limits: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(limits).sort());
}
