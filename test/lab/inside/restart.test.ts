import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { monotonicMs, poll, sleep } from '../../../src/host/time.ts';
import type { Explanation } from '../../../src/vm/explain/shape.ts';
import { asEngine } from '../host/engine.ts';
import { CONFIG, configureBridge, guestImage, verb } from '../suite/verbs.ts';

// A crash as the units answer it: the sampler without privileges sees it, root starts the VM again.

const root = { as: (argv: string[]) => argv, who: 'root' };
const engine = { as: asEngine, who: 'engine' };
const PID_FILE = '/run/blockhost-qemu/web1/qemu.pid';
const MARKS = '/run/blockhost-qemu/.statd/.crashed';

const pid = (): number => Number(fs.readFileSync(PID_FILE, 'utf8'));

async function until<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const found = await poll(probe, { deadlineMs: 120_000, everyMs: 200 });
  const units = ['-u', 'blockhost-qemu-restart.*', '-u', 'blockhost-qemu-statd'];
  const { stdout } = await run('journalctl', [...units, '--no-pager', '-n', '30']);
  assert.ok(found !== undefined, `${what}: ${stdout}`);
  return found;
}

/** The sampler has seen the run that goes on. */
async function watched(): Promise<void> {
  await until('the run is watched', async () => {
    const { stdout } = await verb(root, 'explain', 'web1', '--json');
    const started = JSON.parse(stdout).events.findLast(
      (e: { kind: string }) => e.kind === 'started',
    );
    return fs.existsSync('/run/blockhost-qemu/.statd/web1') && started !== undefined
      ? true
      : undefined;
  });
}

before(async () => {
  configureBridge();
  const tiny = ['--image', await guestImage(), '--memory', '128', '--disk', '1', '--apply'];
  const { code, stderr } = await verb(root, 'create', 'web1', ...tiny, '--restart', 'on-crash');
  assert.equal(code, 0, stderr);
  await watched();
});

/** Ends QEMU as a crash would. @returns what waits until it runs again. */
function crash(): () => Promise<void> {
  const before = pid();
  process.kill(before, 'SIGKILL');
  return async () => {
    await until('it runs again', async () => {
      if (!fs.existsSync(PID_FILE) || pid() === before) return undefined;
      return (await verb(root, 'status', 'web1')).stdout === 'active' ? true : undefined;
    });
  };
}

async function unit(property: string): Promise<string> {
  const { stdout } = await run('systemctl', ['show', '-P', property, 'blockhost-qemu-restart']);
  return stdout.trim();
}

const noMarkIsLeft = (): true | undefined =>
  fs.readdirSync(MARKS).length === 0 ? true : undefined;

async function restarts(): Promise<Explanation['restart']> {
  return JSON.parse((await verb(root, 'explain', 'web1', '--json')).stdout).restart;
}

test('a QEMU that crashes is started again by the units, and the mark goes', async () => {
  await crash()();
  await until('the mark is gone', noMarkIsLeft);
  await until('the unit has ended', async () =>
    (await unit('ActiveState')) === 'inactive' ? true : undefined,
  );
  const { stdout } = await run('systemctl', ['is-active', 'blockhost-vm-web1.scope']);
  assert.equal(stdout, 'active');
});

test('root and the engine are told what happened', async () => {
  for (const caller of [root, engine]) {
    const { code, stdout, stderr } = await verb(caller, 'explain', 'web1', '--json');
    assert.equal(code, 0, stderr);
    const { cause, restart, events } = JSON.parse(stdout);
    assert.deepEqual(
      [cause, restart.state, restart.attempts],
      ['running', 'started', 1],
      caller.who,
    );
    assert.ok(events.some((e: { kind: string; detail: string }) => e.detail === 'unannounced'));
  }
});

test('a unit that is killed while it waits for the next attempt does so again, without a mark', async () => {
  await watched();
  const runsAgain = crash();
  await until('the second attempt is waited for', async () => {
    const { state, attempts } = await restarts();
    return state === 'waiting' && attempts === 1 ? noMarkIsLeft() : undefined;
  });
  process.kill(Number(await unit('MainPID')), 'SIGKILL');
  await runsAgain();
  assert.equal(await unit('NRestarts'), '1');
  assert.equal((await restarts()).attempts, 2);
});

test('a unit that cannot look is run again every 10 s, not at once, until it can', async () => {
  // Counting begins anew: an attempt that is due in a second.
  assert.equal((await verb(root, 'kill', 'web1')).code, 0);
  assert.equal((await verb(root, 'start', 'web1')).code, 0);
  await watched();
  const settings = fs.readFileSync(CONFIG);
  fs.writeFileSync(CONFIG, '{');
  const began = monotonicMs();
  const runsAgain = crash();
  await until('it is tried a third time', async () =>
    Number(await unit('NRestarts')) >= 2 ? true : undefined,
  );
  assert.ok(monotonicMs() - began > 19_000);
  fs.writeFileSync(CONFIG, settings);
  await runsAgain();
});

test('what a verb ends stays off', async () => {
  await watched();
  assert.equal((await verb(engine, 'kill', 'web1')).code, 0);
  await sleep(3000);
  assert.equal((await verb(root, 'status', 'web1')).stdout, 'suspended');
  assert.equal(JSON.parse((await verb(root, 'explain', 'web1', '--json')).stdout).cause, 'killed');
  assert.equal((await verb(engine, 'destroy', 'web1')).code, 0);
  assert.deepEqual(fs.readdirSync('/var/lib/blockhost/qemu/restarts'), []);
});
