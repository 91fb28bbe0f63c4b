import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll, sleep } from '../../../src/host/time.ts';
import { type Published, readFresh } from '../../../src/metrics/published.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { cgroupFile } from '../suite/scope.ts';
import { configureBridge, guestImage, verb } from '../suite/verbs.ts';

// The sampler as its unit runs it, and a VM in a scope of its own on the bridge.

const root = { as: (argv: string[]) => argv, who: 'root' };
const RUN = '/run/blockhost-qemu';
const UNIT = 'blockhost-qemu-statd.service';

const published = (): Published | undefined => readFresh(`${RUN}/.statd/web1`);

async function until(wanted: (now: Published) => boolean, everyMs = 20): Promise<Published> {
  const look = (): Published | undefined => {
    const now = published();
    return now !== undefined && wanted(now) ? now : undefined;
  };
  const found = await poll(look, { deadlineMs: 120_000, everyMs });
  const { stdout } = await run('journalctl', ['-u', UNIT, '--no-pager', '-n', '20']);
  assert.ok(found, `${JSON.stringify(published()?.record)} ${stdout}`);
  return found;
}

before(async () => {
  configureBridge();
  const tiny = ['--image', await guestImage(), '--memory', '128', '--disk', '1', '--apply'];
  const { code, stderr } = await verb(root, 'create', 'web1', ...tiny);
  assert.equal(code, 0, stderr);
});

test('its unit runs as a user without any privilege, behind a filter', async () => {
  const show = ['show', '--property=MainPID,ActiveState,User', UNIT];
  const { stdout } = await run('systemctl', show);
  assert.match(stdout, /ActiveState=active/);
  assert.match(stdout, /User=blockhost-qemu/);
  const pid = /MainPID=(\d+)/.exec(stdout)?.[1];
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  assert.match(status, /^CapEff:\t0+$/m);
  assert.match(status, /^CapBnd:\t0+$/m);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.match(status, /^Seccomp:\t2$/m);
  assert.match(status, /^Uid:\t[1-9]/m);
  // What group blockhost opens on this host is not there for it.
  for (const hidden of ['/etc/blockhost', '/var/lib/blockhost'])
    assert.equal(fs.statSync(`/proc/${pid}/root${hidden}`).mode & 0o777, 0, hidden);
  const inRun = fs.readdirSync(`/proc/${pid}/root/run`);
  assert.ok(inRun.includes('blockhost-qemu') && !inRun.includes('blockhost'), inRun.join(' '));
});

test('CPU is counted by the scope, traffic by the tap, memory and agent by the guest', async () => {
  const { extended, record } = await until(
    (now) => now.record.guest_agent_responsive && now.record.memory_used_mb > 0,
  );
  assert.equal(extended.counters?.cpu?.source, 'cgroup');
  assert.equal(extended.counters?.net?.source, 'tap');
  assert.ok((extended.host_memory_bytes ?? 0) > 0);
  assert.ok((extended.threads ?? 0) >= 1);
  assert.ok(record.cpu_percent >= 0 && record.cpu_percent <= 100);
});

test('the figures of the scope are the truth', async () => {
  const usage = (): number =>
    Number(/^usage_usec (\d+)$/m.exec(cgroupFile('web1', 'cpu.stat') ?? '')?.[1]);
  /** A sample that was just taken, and what the kernel says at that moment. */
  const both = async () => {
    const before = published()?.extended.counters?.cpu?.atMs;
    const now = await until(({ extended }) => extended.counters?.cpu?.atMs !== before, 5);
    return { usec: usage(), at: performance.now(), told: now.extended.counters?.cpu };
  };
  const first = await both();
  await sleep(20_000);
  const last = await both();
  const truth = (last.usec - first.usec) / (last.at - first.at) / 10;
  const [from, to] = [first.told, last.told];
  assert.ok(from && to);
  const told = (to.usec - from.usec) / (to.atMs - from.atMs) / 10;
  assert.ok(Math.abs(told - truth) <= Math.max(1, truth * 0.15), `${told} for ${truth}`);
});

test('a state that changes shows long before the next sample', async () => {
  const times: number[] = [];
  for (const [command, state] of [
    ['stop', 'paused'],
    ['cont', 'running'],
    ['stop', 'paused'],
    ['cont', 'running'],
  ] as const) {
    await sleep(700);
    await withQmp(`${RUN}/web1/qmp.sock`, (qmp) => qmp.execute(command));
    const began = performance.now();
    await until((now) => now.record.state === state, 2);
    times.push(performance.now() - began);
  }
  // The host has one CPU, which guest, test and sampler share. Elsewhere it is a few ms (more/verbs/statd).
  assert.ok(Math.min(...times) < 500, `${times}`);
});

test('anybody may read what it publishes, and a VM that goes is forgotten', async () => {
  const asNobody = { as: (argv: string[]) => ['setpriv', '--reuid=65534', ...argv], who: 'nobody' };
  const { code, stdout } = await verb(asNobody, 'metrics', 'web1');
  assert.deepEqual([code, JSON.parse(stdout).state], [0, 'running']);
  assert.equal((await verb(root, 'kill', 'web1')).code, 0);
  assert.equal((await verb(root, 'status', 'web1')).stdout, 'suspended');
  assert.equal((await verb(root, 'destroy', 'web1')).code, 0);
  assert.equal((await verb(root, 'status', 'web1')).stdout, 'unknown');
  assert.ok(!fs.existsSync(`${RUN}/.statd/web1`));
});
