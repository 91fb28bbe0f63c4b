import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { bucketOf, holds } from '../../../src/net/shape/plan.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { LIMIT_KEYS, LIMIT_RANGES, type LimitKey } from '../../../src/store/vm-limits.ts';
import { THROTTLE_GROUP } from '../../../src/types.ts';
import { Random } from '../../support/random.ts';
import { cgroupFile } from '../suite/scope.ts';
import { type Caller, configureBridge, guestImage, verb } from '../suite/verbs.ts';

const ROOT: Caller = { as: (argv) => argv, who: 'root' };
const VM = 'web1';
const SEED = Number(process.env.FUZZ_SEED ?? 6);
/** How much wider than QEMU's limit the one on the disk below is. */
const OPERATIONS = { headroom: 80, least: 1000 };
const BYTES = { headroom: 300, least: 10_000_000 };
type Fence = typeof BYTES;

async function ok(name: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await verb(ROOT, name, ...args);
  assert.equal(code, 0, `${name} ${args.join(' ')}: ${stderr}`);
}

before(async () => {
  configureBridge();
  const tiny = ['--image', await guestImage(), '--memory', '128', '--disk', '1'];
  await ok('create', VM, ...tiny, '--apply');
});
after(() => verb(ROOT, 'destroy', VM));

type Model = Partial<Record<LimitKey, number>>;

test('200 random options, CPU among them, leave in systemd, cgroup, tc and QEMU what a model says', async () => {
  const random = new Random(SEED);
  console.log(random.told);
  let model: Model = {};
  for (let options = 0; options < 200; ) {
    const reset = random.chance(0.1);
    if (reset) model = {};
    const args: string[] = [];
    for (const key of LIMIT_KEYS.filter(() => random.chance(0.8))) {
      const value = anyValue(key, random);
      args.push(`--${key.replaceAll('_', '-')}`, String(value));
      model[key] = value;
      options++;
    }
    if (reset) args.push('--reset');
    await ok('throttle', VM, ...args);
    await compare(model, `${random.told}: ${args.join(' ')}`);
  }
  await ok('throttle', VM, '--reset');
  await compare({}, '--reset');
});

/** 0 where that is one; else what leaves the VM fast enough for the test. */
function anyValue(key: LimitKey, random: Random): number {
  const [least, most] = LIMIT_RANGES[key];
  if (key === 'cpu_quota') return 50 + random.below(51);
  if (key === 'cpu_shares') return random.chance(0.2) ? 1024 : least + random.below(most);
  if (random.chance(0.2)) return 0;
  const from = Math.min(100, most);
  const to = key === 'bandwidth_burst' ? most : Math.min(most, 1_000_000);
  return from + random.below(to - from + 1);
}

async function compare(model: Model, context: string): Promise<void> {
  assert.deepEqual(await cpuState(), expectedCpu(model), context);
  assert.deepEqual(ioState(), expectedIo(model), context);
  assert.deepEqual(await qemuState(), expectedQemu(model), context);
  await compareBandwidth(model, context);
}

const PROPERTIES = ['CPUWeight', 'CPUQuotaPerSecUSec'];

/** Of the scope: what the manager says, and what stands in its cgroup. A controller that nobody needs has no files. */
async function cpuState(): Promise<Record<string, string>> {
  const argv = ['show', `blockhost-vm-${VM}.scope`, ...PROPERTIES.map((name) => `-p${name}`)];
  const lines = (await run('systemctl', argv)).stdout.trim().split('\n');
  return {
    ...Object.fromEntries(lines.map((line) => line.split('='))),
    'cpu.max': cgroupFile(VM, 'cpu.max') ?? 'max 100000',
    'cpu.weight': cgroupFile(VM, 'cpu.weight') ?? '100',
  };
}

function expectedCpu({ cpu_shares: shares = 1024, cpu_quota: quota }: Model): object {
  const weight = String(Math.max(1, Math.round((shares * 100) / 1024)));
  const perSecond = quota === 100 ? '1s' : `${(quota ?? 0) * 10}ms`;
  return {
    CPUWeight: shares === 1024 ? '[not set]' : weight,
    CPUQuotaPerSecUSec: quota === undefined ? 'infinity' : perSecond,
    'cpu.max': quota === undefined ? 'max 100000' : `${quota * 1000} 100000`,
    'cpu.weight': weight,
  };
}

function ioState(): string {
  return cgroupFile(VM, 'io.max')?.replace(/^\S+ /, '') ?? '';
}

function expectedIo({ bps_read, bps_write, iops_read, iops_write, iops_burst = 0 }: Model): string {
  const fence = ({ headroom, least }: Fence, rate = 0, burst = 0): number =>
    rate === 0 ? 0 : Math.max(least, Math.max(rate, burst) * headroom);
  const fences = {
    rbps: fence(BYTES, bps_read),
    wbps: fence(BYTES, bps_write),
    riops: fence(OPERATIONS, iops_read, iops_burst),
    wiops: fence(OPERATIONS, iops_write, iops_burst),
  };
  if (Object.values(fences).every((value) => value === 0)) return '';
  return Object.entries(fences)
    .map(([name, value]) => `${name}=${value === 0 ? 'max' : value}`)
    .join(' ');
}

async function qemuState(): Promise<object> {
  const limits = await withQmp(
    `/run/blockhost-qemu/${VM}/probe.sock`,
    (qmp) => qmp.execute('qom-get', { path: `/objects/${THROTTLE_GROUP}`, property: 'limits' }),
    { patienceMs: 60_000 },
  );
  const known = ([key]: [string, unknown]): boolean => !/-total|bps-.*-max|iops-size/.test(key);
  return Object.fromEntries(Object.entries(limits as object).filter(known));
}

function expectedQemu(model: Model): object {
  const { iops_read = 0, iops_write = 0, bps_read = 0, bps_write = 0 } = model;
  const bursts = (rate: number): boolean => rate > 0 && (model.iops_burst ?? 0) > rate;
  const most = (rate: number): number => (bursts(rate) ? (model.iops_burst ?? 0) : 0);
  const length = (rate: number): number => (bursts(rate) ? model.iops_burst_seconds || 1 : 1);
  return {
    'bps-read': bps_read,
    'bps-write': bps_write,
    'iops-read': iops_read,
    'iops-read-max': most(iops_read),
    'iops-read-max-length': length(iops_read),
    'iops-write': iops_write,
    'iops-write-max': most(iops_write),
    'iops-write-max-length': length(iops_write),
  };
}

async function compareBandwidth(model: Model, context: string): Promise<void> {
  for (const [device, kbit = 0] of [
    ['tap100i0', model.bandwidth_in],
    ['ifb100i0', model.bandwidth_out],
  ] as const) {
    const there = fs.existsSync(`/sys/class/net/${device}`);
    const text = there ? (await run('tc', ['-j', 'qdisc', 'show', 'dev', device])).stdout : '[]';
    const root = (JSON.parse(text) as Qdisc[]).find(({ kind }) => kind === 'tbf');
    if (kbit === 0) assert.equal(root, undefined, `${device}: ${context}`);
    else {
      const { rate, burst } = root?.options ?? { rate: 0, burst: 0 };
      assert.equal(rate, kbit * 125, `${device}: ${context}`);
      const { bytes } = bucketOf(kbit, model.bandwidth_burst || undefined);
      assert.ok(holds({ bytesPerSecond: rate, bytes: burst }, bytes), `${burst}: ${context}`);
    }
  }
}

interface Qdisc {
  kind: string;
  options: { rate: number; burst: number };
}
