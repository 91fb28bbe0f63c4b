import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { QmpClient } from '../src/qmp/client.ts';
import { tinyGuest } from '../test/support/tiny-guest/build.ts';
import { atMost, median, type Row } from './row.ts';
import { peakMemoryMb, timed, World } from './world.ts';

const ROUNDS = 15;
const MANY = 500;

/** What single commands cost beyond raw QEMU and a bare Node start. */
export async function verbRows(): Promise<Row[]> {
  const world = new World();
  try {
    await world.verb(
      'create',
      'b1',
      '--image',
      await tinyGuest(),
      '--memory',
      '128',
      '--disk',
      '1',
      '--apply',
    );
    const argv = runningArgv(world, 'b1');
    await world.verb('kill', 'b1');
    const [start, raw, kill, status, node, memory] = [0, 0, 0, 0, 0, 0].map((): number[] => []) as [
      number[],
      number[],
      number[],
      number[],
      number[],
      number[],
    ];
    for (let round = 0; round < ROUNDS; round++) {
      raw.push(await rawStart(world, argv));
      start.push((await world.verb('start', 'b1')).seconds);
      status.push((await world.verb('status', 'b1')).seconds);
      node.push((await timed(process.execPath, ['-e', '0'])).seconds);
      kill.push((await world.verb('kill', 'b1')).seconds);
    }
    await world.verb('start', 'b1');
    const program = path.join(process.cwd(), 'dist/blockhost-qemu.cjs');
    for (const verb of ['status', 'metrics', 'list', 'stop', 'start', 'kill']) {
      memory.push(peakMemoryMb(program, verb === 'list' ? [verb] : [verb, 'b1'], world.env));
    }
    await world.verb('destroy', 'b1');
    const bundle = fs.statSync(program).size / 1e6;
    return [
      atMost(
        'start to a running guest CPU, beyond raw QEMU',
        median(start) - median(raw),
        's',
        0.25,
      ),
      atMost('kill of a running VM', median(kill), 's', 0.3),
      atMost('status, beyond a bare Node start', (median(status) - median(node)) * 1000, 'ms', 20),
      atMost(`list of ${MANY} VMs`, await listMany(), 's', 0.25),
      atMost('peak memory of a verb', Math.max(...memory), 'MB', 80),
      atMost('bundle', bundle, 'MB', 1.5),
    ];
  } finally {
    await world.verb('destroy', 'b1').catch(() => undefined);
    world.remove();
  }
}

/** The command line of the QEMU our program started: the raw side gets the very same one. */
export function runningArgv(world: World, name: string): string[] {
  const pid = fs.readFileSync(path.join(world.state, 'run', name, 'qemu.pid'), 'utf8').trim();
  return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
}

/** Seconds from spawning QEMU to `cont` accepted, by hand. */
async function rawStart(world: World, argv: readonly string[]): Promise<number> {
  const run = path.join(world.state, 'run', 'b1');
  fs.rmSync(run, { recursive: true, force: true });
  fs.mkdirSync(run, { recursive: true });
  const [command = '', ...args] = argv.map((word) =>
    word.replace(/,logfile=[^,]*,logappend=on/, ''),
  );
  const began = performance.now();
  const child = spawn(command, args, { stdio: 'ignore' });
  const socket = path.join(run, 'qmp.sock');
  let qmp: QmpClient | undefined;
  while (qmp === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    qmp = fs.existsSync(socket)
      ? await QmpClient.connect(socket).catch(() => undefined)
      : undefined;
    if (child.exitCode !== null) throw new Error('raw QEMU ended at its start');
  }
  await qmp.execute('cont');
  const seconds = (performance.now() - began) / 1000;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await qmp.execute('quit').catch(() => undefined);
  await ended;
  qmp.close();
  return seconds;
}

/** Records of VMs that are off, as a host has after a reboot. */
async function listMany(): Promise<number> {
  const world = new World();
  try {
    const vms: Record<string, unknown> = {};
    const time = '2026-01-01T00:00:00.000+00:00';
    for (let i = 0; i < MANY; i++) {
      const name = `vm${String(i).padStart(3, '0')}`;
      const strings = {
        ipv6_address: '',
        owner: '',
        purpose: '',
        wallet_address: '',
        network_mode: 'user',
      };
      const rest = { expires_at: time, created_at: time, status: 'active', username: 'admin' };
      vms[name] = { vm_name: name, vmid: 100 + i, ip_address: '10.0.2.15', ...strings, ...rest };
    }
    const database = { vms, next_vmid: 100 + MANY, allocated_ips: [], allocated_ipv6: [] };
    fs.writeFileSync(path.join(world.state, 'vms.json'), JSON.stringify(database));
    const seconds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const { seconds: one, stdout } = await world.verb('list');
      if (stdout.trim().split('\n').length !== MANY + 1) throw new Error('list is not complete');
      seconds.push(one);
    }
    return median(seconds);
  } finally {
    world.remove();
  }
}
