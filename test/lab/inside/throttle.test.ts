import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { sleep } from '../../../src/host/time.ts';
import { asEngine } from '../host/engine.ts';
import { type Caller, configureBridge, guestImage, verb } from '../suite/verbs.ts';

const ROOT: Caller = { as: (argv) => argv, who: 'root' };
const ENGINE: Caller = { as: asEngine, who: 'the engine' };

async function ok(caller: Caller, name: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await verb(caller, name, ...args);
  assert.equal(code, 0, `${name} ${args.join(' ')}: ${stderr}`);
  return stdout.trimEnd();
}

const group = (vm: string): string =>
  `/sys/fs/cgroup/blockhost.slice/blockhost-vm.slice/blockhost-vm-${vm}.scope`;
const read = (vm: string, file: string): string =>
  fs.readFileSync(`${group(vm)}/${file}`, 'utf8').trim();
const busySeconds = (vm: string): number =>
  Number(/^usage_usec (\d+)/m.exec(read(vm, 'cpu.stat'))?.[1]) / 1e6;

/** CPUs that each VM uses, over that time by the host's clock. */
async function cpusOf(vms: readonly string[], seconds: number): Promise<number[]> {
  const began = performance.now();
  const first = vms.map(busySeconds);
  await sleep(seconds * 1000);
  const elapsed = (performance.now() - began) / 1000;
  return vms.map((vm, i) => (busySeconds(vm) - (first[i] ?? 0)) / elapsed);
}

/** The files of a controller are there when somebody in the slice needs it. */
const FILES = ['cpu.max', 'cpu.weight', 'io.max'];
const present = (file: string): string | undefined =>
  fs.existsSync(`${group('web1')}/${file}`) ? read('web1', file) : undefined;
let untouched: (string | undefined)[] = [];

before(async () => {
  configureBridge();
  const tiny = ['--image', await guestImage(), '--memory', '128', '--disk', '1'];
  for (const name of ['web1', 'web2']) await ok(ROOT, 'create', name, ...tiny, '--apply');
  untouched = FILES.map(present);
});

after(async () => {
  for (const name of ['web1', 'web2']) await verb(ROOT, 'destroy', name);
});

test('limits stand in the cgroup, in tc and in QEMU; asked for by root and by the engine', async () => {
  assert.equal(
    await ok(ROOT, 'throttle', 'web1', '--cpu-quota', '50', '--cpu-shares', '2048'),
    'CPU weight: 2048 shares (1024 is the default)\nCPU limit: 50 % of its vCPUs',
  );
  assert.equal(read('web1', 'cpu.max'), '50000 100000');
  assert.equal(read('web1', 'cpu.weight'), '200');
  await ok(ENGINE, 'throttle', 'web1', '--bandwidth-out', '5000', '--iops-read', '500');
  assert.match((await run('tc', ['qdisc', 'show', 'dev', 'ifb100i0'])).stdout, /tbf .* rate 5Mbit/);
  const shown = JSON.parse(await ok(ENGINE, 'throttle', 'web1', '--show', '--json'));
  const all = { cpu_shares: 2048, cpu_quota: 50, bandwidth_out: 5000, iops_read: 500 };
  assert.deepEqual(shown.requested, all);
  assert.deepEqual(shown.in_force, all);
  assert.equal(read('web1', 'cpu.max'), '50000 100000');
});

test('behind the disk limit the disk below has a wider one', () => {
  assert.match(read('web1', 'io.max'), /^\d+:\d+ .*riops=10000 /m);
});

test('a start puts them in force again, --reset takes all of them away', async () => {
  await ok(ROOT, 'kill', 'web1');
  await ok(ENGINE, 'start', 'web1');
  assert.equal(read('web1', 'cpu.max'), '50000 100000');
  assert.equal(read('web1', 'cpu.weight'), '200');
  await ok(ENGINE, 'throttle', 'web1', '--reset');
  assert.deepEqual(FILES.map(present), untouched);
  assert.deepEqual(
    fs.readdirSync('/sys/class/net').filter((name) => name.startsWith('ifb')),
    [],
  );
});

test('a quota holds for a guest that is busy: 50 and 10 %', async (t) => {
  await busy('web1');
  try {
    for (const percent of [50, 10]) {
      await ok(ROOT, 'throttle', 'web1', '--cpu-quota', String(percent));
      await sleep(1000);
      const [cpus = 0] = await cpusOf(['web1'], 20);
      const share = (cpus * 100) / percent;
      t.diagnostic(`quota ${percent} %: uses ${(cpus * 100).toFixed(1)} %`);
      // Never more. Less when the machine below lets this host sleep: a period slept through gives no time.
      assert.ok(share <= 1.05 && share >= 0.8, `${share} of ${percent} %`);
    }
  } finally {
    await ok(ROOT, 'throttle', 'web1', '--reset');
  }
});

test('two busy guests share by weight: 1 to 3', async (t) => {
  await busy('web2');
  await ok(ROOT, 'throttle', 'web2', '--cpu-shares', '3072');
  await sleep(1000);
  const [one = 0, two = 0] = await cpusOf(['web1', 'web2'], 20);
  const share = (two / (one + two)) * 100;
  t.diagnostic(`web1 ${one.toFixed(3)}, web2 ${two.toFixed(3)} CPUs: ${share.toFixed(1)} %`);
  assert.ok(Math.abs(share - 75) <= 5, `${share} % instead of 75 %`);
});

async function busy(vm: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const command = '(while :; do :; done) </dev/null >/dev/null 2>&1 &';
    const { code, stderr } = await verb(ROOT, 'guest-exec', vm, command);
    if (code === 0) return;
    // It was started a moment ago.
    assert.ok(tries < 120, stderr);
    await sleep(1000);
  }
}
