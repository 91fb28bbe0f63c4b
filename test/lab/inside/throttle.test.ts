import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll, sleep } from '../../../src/host/time.ts';
import { asEngine } from '../host/engine.ts';
import { type BusyVm, cpuUse, holdsQuota } from '../suite/cpu-use.ts';
import { cgroupFile, qemuOf, tellThreads } from '../suite/scope.ts';
import { type Caller, configureBridge, guestImage, verb } from '../suite/verbs.ts';

const ROOT: Caller = { as: (argv) => argv, who: 'root' };
const ENGINE: Caller = { as: asEngine, who: 'the engine' };

async function ok(caller: Caller, name: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await verb(caller, name, ...args);
  const threads = /not answering/.test(stderr) ? tellThreads(args[0] ?? '') : '';
  assert.equal(code, 0, `${name} ${args.join(' ')}: ${stderr}\n${threads}`);
  return stdout.trimEnd();
}

const read = (vm: string, file: string): string => cgroupFile(vm, file) ?? 'not there';

/** Into the output of a run, where a diagnostic from inside does not get to. */
const tell = (text: string): void => console.log(text);

/** The files of a controller are there when somebody in the slice needs it. */
const FILES = ['cpu.max', 'cpu.weight', 'io.max'];
const present = (file: string): string | undefined => cgroupFile('web1', file);
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
  assert.match(read('web1', 'io.max'), /^\d+:\d+ .*riops=40000 /m);
});

test('a guest that reboots and a sampler that restarts change none of them', async () => {
  const shown = async (): Promise<unknown> => {
    const { code, stdout } = await verb(ROOT, 'throttle', 'web1', '--show', '--json');
    return code === 0 ? (JSON.parse(stdout) as { in_force: unknown }).in_force : undefined;
  };
  const inForce = async (): Promise<unknown> => [
    FILES.map(present),
    (await run('tc', ['qdisc', 'show'])).stdout,
    // While a guest boots with half a CPU its QEMU may be too slow to tell.
    await poll(shown, { deadlineMs: 240_000, everyMs: 1000 }),
  ];
  const [before, first] = [await inForce(), await bootId('web1')];
  await run('systemctl', ['restart', 'blockhost-qemu-statd.service']);
  assert.deepEqual(await inForce(), before);
  await inGuest('web1', "setsid sh -c 'sleep 0.3; /sbin/reboot' </dev/null >/dev/null 2>&1 &");
  const rebooted = async (): Promise<true | undefined> => {
    const now = await bootId('web1');
    return (now !== undefined && now !== first) || undefined;
  };
  assert.ok(await poll(rebooted, { deadlineMs: 180_000, everyMs: 1000 }), 'it is not up again');
  assert.deepEqual(await inForce(), before);
});

test('--verify tells what is used of each limit', async () => {
  const out = await ok(ENGINE, 'throttle', 'web1', '--verify');
  const lines = out.split('\n');
  assert.equal(lines.length, 3, out);
  assert.match(lines[0] ?? '', /^CPU limit: uses \d+ % of its vCPUs of 50 % of its vCPUs: kept$/);
  for (const line of lines) assert.match(line, /: kept$/);
});

test('throttle takes a few starts of Node', async (t) => {
  const seconds = async (argv: readonly string[]): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const began = performance.now();
      await run(argv[0] ?? '', argv.slice(1));
      times.push((performance.now() - began) / 1000);
    }
    return times.sort((a, b) => a - b)[1] ?? Number.NaN;
  };
  const change = ['blockhost-vm-throttle', 'web1', '--iops-read', '400', '--bandwidth-in', '9000'];
  const node = await seconds(['node', '-e', '1']);
  const root = await seconds(change);
  // Without what it costs to get into the engine's place.
  const engine = (await seconds(asEngine(change))) - (await seconds(asEngine(['true'])));
  const [asRoot, byAgent] = [root / node, engine / node];
  t.diagnostic(
    `a start of Node ${node.toFixed(2)} s; throttle: root ${asRoot.toFixed(1)}, root agent ${byAgent.toFixed(1)} starts`,
  );
  // A program that is started (tc, systemctl) costs this host far more of a start of Node than a real one, where root
  // is bound to six (more/verbs/throttle).
  assert.ok(asRoot < 25, `${asRoot} starts of Node`);
  assert.ok(byAgent < 35, `${byAgent} starts of Node`);
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

test('a quota holds for a guest that is busy: 50 and 10 %', async () => {
  await busy('web1');
  // By the root agent, which waits for no QEMU long: one with little CPU time has to be fast enough.
  for (const percent of [50, 10]) await holdsQuota(busyVm(ENGINE, 'web1', 1), percent);
  await ok(ROOT, 'throttle', 'web1', '--reset');
});

test('a QEMU that does not answer gets its CPU limit all the same', async () => {
  await ok(ROOT, 'throttle', 'web1', '--reset');
  const pid = qemuOf('web1') ?? assert.fail('web1 does not run');
  process.kill(pid, 'SIGSTOP');
  try {
    const { code, stdout, stderr } = await verb(ROOT, 'throttle', 'web1', '--cpu-quota', '40');
    assert.deepEqual([code, stdout.trimEnd()], [1, 'CPU limit: 40 % of its vCPUs'], stderr);
    assert.match(stderr, /^VM web1: disk limits are not in force as asked: QEMU at .*\n?$/);
    assert.equal(read('web1', 'cpu.max'), '40000 100000');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await ok(ENGINE, 'throttle', 'web1', '--reset');
  assert.deepEqual(FILES.map(present), untouched);
});

test('a quota is of all the vCPUs: 25 % of two are half a CPU, 10 % a fifth', async () => {
  // Made for a larger host: this one has one CPU, beyond which create does not go.
  await ok(ROOT, 'kill', 'web2');
  const file = '/var/lib/blockhost-qemu/vms/web2/vm.json';
  const config = JSON.parse(fs.readFileSync(file, 'utf8')) as object;
  fs.writeFileSync(file, JSON.stringify({ ...config, vcpus: 2 }));
  await ok(ROOT, 'start', 'web2');
  await busy('web2');
  await busy('web2');
  // More than this host has; then all of its one CPU, which is what such a guest has without a limit, too.
  for (const [percent, quota] of [
    ['100', '200000'],
    ['50', '100000'],
  ] as const) {
    await ok(ROOT, 'throttle', 'web2', '--cpu-quota', percent);
    assert.equal(read('web2', 'cpu.max'), `${quota} 100000`);
  }
  for (const percent of [25, 10]) await holdsQuota(busyVm(ROOT, 'web2', 2), percent);
  await ok(ROOT, 'throttle', 'web2', '--reset');
});

test('two busy guests share by weight: 1 to 3', async () => {
  await ok(ROOT, 'throttle', 'web2', '--cpu-shares', '3072');
  await sleep(1000);
  const [one = 0, two = 0] = (await cpuUse(['web1', 'web2'], 20)).map(({ cpus }) => cpus);
  const share = (two / (one + two)) * 100;
  tell(`web1 ${one.toFixed(3)}, web2 ${two.toFixed(3)} CPUs: ${share.toFixed(1)} %`);
  assert.ok(Math.abs(share - 75) <= 5, `${share} % instead of 75 %`);
});

function busyVm(caller: Caller, vm: string, vcpus: number): BusyVm {
  const limit = async (percent: number): Promise<void> => {
    await ok(caller, 'throttle', vm, '--cpu-quota', String(percent));
  };
  return { vm, vcpus, limit, tell };
}

function busy(vm: string): Promise<string> {
  return inGuest(vm, '(while :; do :; done) </dev/null >/dev/null 2>&1 &');
}

const bootId = async (vm: string): Promise<string | undefined> => {
  const { code, stdout } = await verb(
    ROOT,
    'guest-exec',
    vm,
    'cat /proc/sys/kernel/random/boot_id',
  );
  return code === 0 ? stdout : undefined;
};

/** Tries until the guest hears: it was started a moment ago. */
async function inGuest(vm: string, command: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    const { code, stdout, stderr } = await verb(ROOT, 'guest-exec', vm, command);
    if (code === 0) return stdout;
    assert.ok(tries < 120, stderr);
    await sleep(1000);
  }
}
