import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseVmName } from '../../../src/types.ts';
import {
  type BlockhostFiles,
  blockhostFiles,
  blockhostStore,
  readDatabase,
} from '../../support/blockhost/host.ts';
import type { StressLine, StressOrders } from '../../support/blockhost/stress-driver.ts';
import { driverFile } from '../../support/bundle-driver.ts';
import { Random } from '../../support/random.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const OPERATIONS = 1000;
const WORKERS = 4;
/** As many are meant to be killed; some are faster. */
const KILLS = 40;
const NAMES = Array.from({ length: 24 }, (_, i) => `vm-${i}`);

test(`${OPERATIONS} operations by ${WORKERS} processes, kills and a writer without manners lose nothing`, async (t) => {
  const seed = Number(process.env.STRESS_SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`STRESS_SEED=${seed}`);
  const files = blockhostFiles(t, {
    ip_pool: { network: '192.0.2.0/24', start: 10, end: 200, gateway: '192.0.2.11' },
  });
  fs.writeFileSync(
    path.join(files.etc, 'broker-allocation.json'),
    JSON.stringify({ prefix: '2001:db8::/120' }),
  );
  const directory = temporaryDirectory(t);
  await blockhostStore(t, files).list();
  const foreign = foreignWriter(t, files, seed);
  await work(files, directory, seed);
  foreign.kill('SIGKILL');
  await new Promise((resolve) => foreign.once('close', resolve));

  const lines = readLog(directory);
  assertNoAddressTwice(lines);
  const store = blockhostStore(t, files);
  for (const name of NAMES) await store.release(parseVmName(name));
  const database = readDatabase(files);
  const live = Object.values(database.vms).filter(({ status }) => status !== 'destroyed');
  for (const [pool, field] of [
    ['allocated_ips', 'ip_address'],
    ['allocated_ipv6', 'ipv6_address'],
  ] as const) {
    const held = live.map((record) => String(record[field])).sort();
    assert.equal(new Set(held).size, held.length, `${pool}: held by two`);
    // Passed over for good: the gateway, and the prefix's first address.
    const taken = database[pool].filter((address) => address !== '192.0.2.11').sort();
    assert.deepEqual(taken, held, `${pool}: neither lost nor leaked`);
  }
  for (const [name, last] of lastOf(lines)) {
    if (last.is === 'unsure') continue;
    const status = database.vms[name]?.status ?? 'destroyed';
    assert.equal(status, last.is === 'gone' ? 'destroyed' : last.is, `record of ${name}`);
    if (last.is === 'active') assert.equal(database.vms[name]?.vmid, last.vmid);
  }
  const numbers = lines.flatMap((line) => (line.is === 'active' ? [line.vmid] : []));
  assert.ok(numbers.length > OPERATIONS / 10, `${numbers.length} creates and resumes`);
  const ofName = new Map<number, string>();
  for (const line of lines) {
    if (line.is !== 'active') continue;
    assert.equal(ofName.get(line.vmid) ?? line.name, line.name, `vmid ${line.vmid} given twice`);
    ofName.set(line.vmid, line.name);
  }
});

/** Starts workers, kills some at random moments, and starts others, until all operations are done. */
async function work(files: BlockhostFiles, directory: string, seed: number): Promise<void> {
  const random = new Random(seed);
  const script = await driverFile('blockhost/stress-driver');
  let [left, kills, killedReally, begun] = [OPERATIONS, 0, 0, 0];
  const worker = async (): Promise<void> => {
    while (left > 0) {
      const operations = Math.min(left, 20);
      left -= operations;
      const orders: StressOrders = {
        seed: seed + ++begun,
        operations,
        names: NAMES,
        directory,
        etc: files.etc,
      };
      const mortal = kills < KILLS && random.chance(0.5);
      if (mortal) kills++;
      const { done, killed } = await run(
        script,
        orders,
        mortal ? 100 + random.next() * 900 : undefined,
      );
      left += operations - done;
      if (killed) killedReally++;
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  assert.ok(killedReally >= 5, `${killedReally} of ${kills} kills`);
}

interface Run {
  /** Operations that were finished. */
  done: number;
  killed: boolean;
}

function run(script: string, orders: StressOrders, killAfterMs?: number): Promise<Run> {
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, STRESS_ORDERS: JSON.stringify(orders) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [done, stderr, doomed] = [0, '', false];
  const end = (): void => {
    doomed = true;
    kill(child);
  };
  const timer = killAfterMs === undefined ? undefined : setTimeout(end, killAfterMs);
  child.stdout.on('data', (dots: Buffer) => {
    done += dots.length;
  });
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      // Its helper is killed first, of which it may have had the time to complain.
      if (code === 0 || doomed) resolve({ done, killed: doomed && code !== 0 });
      else reject(new Error(`a worker failed (${signal ?? code}): ${stderr}`));
    });
  });
}

/** The helper first: it is killed amid what it does, not only left alone. */
function kill(child: ChildProcess): void {
  for (const pid of childrenOf(child.pid)) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  child.kill('SIGKILL');
}

function childrenOf(pid: number | undefined): string[] {
  try {
    return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
  } catch {
    return [];
  }
}

function foreignWriter(t: TestContext, files: BlockhostFiles, seed: number): ChildProcess {
  const script = path.resolve('test/support/blockhost/foreign_writer.py');
  const child = spawn('/usr/bin/python3', [script, files.database, String(seed)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

function readLog(directory: string): StressLine[] {
  const text = fs.readFileSync(path.join(directory, 'log'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as StressLine);
}

function lastOf(lines: readonly StressLine[]): Map<string, StressLine> {
  return new Map(lines.map((line) => [line.name, line]));
}

/** A VM's address is its own from its `active` to the beginning of its end. */
function assertNoAddressTwice(lines: readonly StressLine[]): void {
  const holder = new Map<string, string>();
  for (const line of lines) {
    if (line.is === 'unsure' && line.op !== 'destroy' && line.op !== 'create') continue;
    if (line.is === 'active') {
      assert.equal(holder.get(line.ip) ?? line.name, line.name, `${line.ip} held by two`);
      holder.set(line.ip, line.name);
    } else if (line.is !== 'suspended') {
      for (const [ip, name] of holder) if (name === line.name) holder.delete(ip);
    }
  }
}
