import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { AgentClient } from '../src/qmp/agent/client.ts';
import { guestExec } from '../src/qmp/agent/exec.ts';
import { QmpClient } from '../src/qmp/client.ts';
import { atLeast, atMost, median, type Row } from './row.ts';
import { runningArgv } from './verbs.ts';
import { timed, World } from './world.ts';

const ROUNDS = 3;

/** From nothing to a ready guest: our create, the same boot by hand, and an untuned Debian image. */
export async function createRows(): Promise<Row[]> {
  const world = new World(templateFolder());
  const templates = path.join(templateFolder(), 'templates');
  fs.symlinkSync(templates, path.join(world.state, 'templates'));
  try {
    const tuned = await template(world, true);
    const untuned = await template(world, false);
    const [ours, byHand, stock]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < ROUNDS; round++) {
      ours.push((await create(world, tuned)).seconds);
      const argv = runningArgv(world, 'c1');
      await world.verb('kill', 'c1');
      byHand.push(await bootByHand(world, argv, path.join(templates, tuned, 'disk.qcow2')));
      await world.verb('destroy', 'c1');
      stock.push((await create(world, untuned)).seconds);
      await world.verb('destroy', 'c1');
    }
    return [
      atMost(
        'create to ready guest, against booting by hand',
        median(ours) / median(byHand),
        'x',
        1.05,
      ),
      atLeast(
        'untuned Debian image to ready guest, against ours',
        median(stock) / median(ours),
        'x',
        2,
      ),
    ];
  } finally {
    await world.verb('destroy', 'c1').catch(() => undefined);
    world.remove();
  }
}

/** Templates take minutes to build, so they are kept from run to run. */
function templateFolder(): string {
  const folder =
    process.getuid?.() === 0
      ? '/var/cache/blockhost-qemu-bench'
      : path.join(os.homedir(), '.cache/blockhost-qemu-bench');
  fs.mkdirSync(path.join(folder, 'templates'), { recursive: true, mode: 0o755 });
  return folder;
}

async function template(world: World, tuned: boolean): Promise<string> {
  const folder = path.join(world.state, 'templates');
  for (const id of fs.readdirSync(folder).filter((name) => name !== 'current')) {
    const manifest = JSON.parse(fs.readFileSync(path.join(folder, id, 'template.json'), 'utf8'));
    if (manifest.tuned === tuned) return id;
  }
  process.stderr.write(`building the ${tuned ? 'tuned' : 'untuned'} template\n`);
  const { stdout } = await world.verb('build-template', ...(tuned ? [] : ['--no-tune']));
  return stdout.trim();
}

function create(world: World, id: string): Promise<{ seconds: number }> {
  return world.verb('create', 'c1', '--template', id, '--memory', '1024', '--apply');
}

/** The same QEMU, devices and seed with a fresh overlay, and nothing of ours around it. */
async function bootByHand(world: World, argv: readonly string[], image: string): Promise<number> {
  const vm = path.join(world.state, 'vms/c1');
  const run = path.join(world.state, 'run/c1');
  fs.rmSync(run, { recursive: true, force: true });
  fs.mkdirSync(run, { recursive: true });
  fs.rmSync(path.join(vm, 'disk.qcow2'));
  const began = performance.now();
  const disk = path.join(vm, 'disk.qcow2');
  await timed('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', image, disk, '20G']);
  const [command = '', ...args] = argv.map((word) =>
    word.replace(/,logfile=[^,]*,logappend=on/, ''),
  );
  const child = spawn(command, args, { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const qmp = await connect(path.join(run, 'qmp.sock'));
  const opened = qmp.once('VSERPORT_CHANGE', {
    deadlineMs: 180_000,
    filter: ({ data }) => data.open,
  });
  await qmp.execute('cont');
  await opened;
  await accountExists(path.join(run, 'qga.sock'));
  const seconds = (performance.now() - began) / 1000;
  await qmp.execute('quit').catch(() => undefined);
  await ended;
  qmp.close();
  return seconds;
}

async function connect(socket: string): Promise<QmpClient> {
  for (;;) {
    const qmp = await QmpClient.connect(socket).catch(() => undefined);
    if (qmp !== undefined) return qmp;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function accountExists(socket: string): Promise<void> {
  const script = 'until id -u admin >/dev/null 2>&1; do sleep 0.2; done';
  for (;;) {
    try {
      const agent = await AgentClient.open(socket, { deadlineMs: 3000 });
      try {
        const request = { path: '/bin/sh', args: ['-c', script], deadlineMs: 180_000 };
        if ((await guestExec(agent, request)).exitCode === 0) return;
      } finally {
        agent.close();
      }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
