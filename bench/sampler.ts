import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as os from 'node:os';
import * as path from 'node:path';
import { sleep } from '../src/host/time.ts';
import { readFresh } from '../src/metrics/published.ts';
import { parseVmName } from '../src/types.ts';
import { Fleet, type StubVm, stubVms } from '../test/support/fleet/fleet.ts';
import { StatdProcess } from '../test/support/fleet/statd-process.ts';
import { atLeast, atMost, median, type Row } from './row.ts';
import { timed } from './world.ts';

const VERB = path.join(process.cwd(), 'dist/bin/blockhost-vm-metrics');
const CALLS = 200;
/** What statd costs per VM falls with their number: this is a host that is well used. */
const BUSY_HOST = 200;
/** V8 compiles what runs often; a sampler runs for months. */
const SETTLE_MS = 11_000;
const MANY = 400;
const BUDGET_S = 0.5;
/** CPU per call of the libvirt-based provisioner when the guest agent answers. */
const LIBVIRT_CPU_S = 0.18;

/** What the host monitor pays: for a call, for a round over all VMs, without statd, and with VMs that misbehave. */
export async function samplerRows(): Promise<Row[]> {
  const rows = [...(await verbRows()), ...(await disturbedRows()), ...(await manyRows())];
  return [...rows, ...(await withoutRows())];
}

async function verbRows(): Promise<Row[]> {
  return await withFleet([stubVms(BUSY_HOST)], async (fleet, statd) => {
    await sleep(SETTLE_MS);
    const [began, before] = [performance.now(), statd.cpuSeconds];
    const wall = await latencies(fleet, ['vm000'], CALLS);
    const verbCpu = cpuPerCall(fleet, VERB, 'vm000');
    const dashCpu = cpuPerCall(fleet, 'dash', '-c', ':');
    await sleep(4000);
    const share = (statd.cpuSeconds - before) / ((performance.now() - began) / 2000) / BUSY_HOST;
    return [
      atMost('verb: wall time, median', median(wall), 'ms', 2),
      atMost('verb: CPU of a call', verbCpu * 1000, 'ms', 2),
      atMost('verb: CPU beyond starting dash', (verbCpu - dashCpu) * 1000, 'ms', 1),
      atLeast(
        "verb: CPU of libvirt's path (0.18 s), against a call and statd's share, 200 VMs",
        LIBVIRT_CPU_S / (verbCpu + share),
        'x',
        100,
      ),
    ];
  });
}

/** The monitor's own pattern: one process a VM, as many at once as there are cores. */
async function manyRows(): Promise<Row[]> {
  return await withFleet([stubVms(MANY)], async (fleet) => {
    await sleep(10_000);
    const names = stubVms(MANY).map(({ name }) => name);
    const seconds: number[] = [];
    for (let round = 0; round < 5; round++) {
      const child = spawn('xargs', ['-P', String(os.availableParallelism()), '-n', '1', VERB], {
        env: fleet.env,
        stdio: ['pipe', 'ignore', 'inherit'],
      });
      const began = performance.now();
      child.stdin.end(names.join('\n'));
      await once(child, 'exit');
      seconds.push((performance.now() - began) / 1000);
      await sleep(500);
    }
    const within = (MANY * BUDGET_S) / median(seconds);
    return [atLeast('VMs asked within 500 ms, a process each on every core', within, 'VMs', 400)];
  });
}

async function withoutRows(): Promise<Row[]> {
  const fleet = new Fleet();
  try {
    await fleet.add(stubVms(1));
    const [verb, node]: [number[], number[]] = [[], []];
    for (let round = 0; round < 15; round++) {
      verb.push((await timed(VERB, ['vm000'], fleet.env)).seconds * 1000);
      node.push((await timed(process.execPath, ['-e', '0'])).seconds * 1000);
    }
    const beyond = median(verb) - median(node);
    return [atMost('verb without statd, beyond a bare Node start', beyond, 'ms', 60)];
  } finally {
    await fleet.remove();
  }
}

/** 20 VMs; then the same where five agents are silent, drip or lie and one QEMU is stopped. */
async function disturbedRows(): Promise<Row[]> {
  const good = stubVms(14);
  const bad = (['silent', 'silent', 'drip', 'drip', 'lie'] as const).map((agent, i) => ({
    name: `bad${i}`,
    agent,
  }));
  const stopped: StubVm[] = [{ name: 'stopped', agent: 'good' }];
  const names = [...good, ...bad, ...stopped].map(({ name }) => name);
  const quiet = await withFleet([stubVms(20)], async (fleet) => {
    await sleep(8000);
    return await latencies(
      fleet,
      stubVms(20).map(({ name }) => name),
      CALLS,
    );
  });
  return await withFleet([[...good, ...bad], stopped], async (fleet, _statd, stubs) => {
    await sleep(3000);
    stubs[1]?.kill('SIGSTOP');
    await sleep(8000);
    const wall = await latencies(fleet, names, CALLS);
    const each = names.map((_, at) => median(wall.filter((_, i) => i % names.length === at)));
    const errors = [...good, ...bad].map(({ name }) => {
      const record = readFresh(fleet.paths.published(parseVmName(name)))?.record;
      if (record === undefined) throw new Error(`${name} is not published`);
      // A stub writes a million bytes a second.
      return Math.abs(record.disk_write_bytes_sec - 1e6) / 1e4;
    });
    return [
      atMost('verb: median of 20 VMs, 5 agents bad and a QEMU stopped', median(wall), 'ms', 5),
      atMost('verb: the same, against 20 good VMs', median(wall) / median(quiet), 'x', 1.25),
      atMost('verb: the slowest of these VMs, median of its calls', Math.max(...each), 'ms', 5),
      atMost('error of the figures of the other VMs, worst', Math.max(...errors), '%', 5),
    ];
  });
}

async function withFleet<T>(
  groups: readonly (readonly StubVm[])[],
  measure: (
    fleet: Fleet,
    statd: StatdProcess,
    stubs: Awaited<ReturnType<Fleet['add']>>[],
  ) => Promise<T>,
): Promise<T> {
  const fleet = new Fleet();
  try {
    const stubs = [];
    for (const vms of groups) stubs.push(await fleet.add(vms));
    const statd = await StatdProcess.start(fleet, groups.flat());
    try {
      return await measure(fleet, statd, stubs);
    } finally {
      await statd.stop();
    }
  } finally {
    await fleet.remove();
  }
}

async function latencies(fleet: Fleet, names: readonly string[], calls: number): Promise<number[]> {
  const wall: number[] = [];
  for (let i = 0; i < calls; i++) {
    const began = performance.now();
    const name = names[i % names.length] ?? '';
    const { status } = spawnSync(VERB, [name], { env: fleet.env, stdio: 'ignore' });
    wall.push(performance.now() - began);
    if (status !== 0) throw new Error(`metrics ${name} exited with ${status}`);
    // The sampler has its turns too.
    if (i % 20 === 0) await sleep(10);
  }
  return wall;
}

/** User and system time of one call, by the shell's own account of its children. */
function cpuPerCall(fleet: Fleet, ...command: string[]): number {
  const script = `i=0; while [ $i -lt ${CALLS} ]; do "$@" >/dev/null; i=$((i+1)); done; times`;
  const { stdout } = spawnSync('bash', ['-c', script, 'bash', ...command], {
    env: fleet.env,
    encoding: 'utf8',
  });
  const children = stdout.trim().split('\n').at(-1) ?? '';
  const seconds = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, m, s]) => Number(m) * 60 + Number(s),
  );
  return seconds.reduce((sum, one) => sum + one, 0) / CALLS;
}
