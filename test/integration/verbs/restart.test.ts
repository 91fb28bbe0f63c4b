import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { ProvisionerError } from '../../../src/errors.ts';
import { isRunning } from '../../../src/host/process.ts';
import { poll } from '../../../src/host/time.ts';
import { readFresh } from '../../../src/metrics/published.ts';
import {
  findQemuProcesses,
  type Incarnation,
  runningIncarnation,
} from '../../../src/store/incarnation.ts';
import { parseVmName, type VmName } from '../../../src/types.ts';
import type { Explanation } from '../../../src/vm/explain/shape.ts';
import { forgetAttempts, readAttempts } from '../../../src/vm/restart/attempts.ts';
import { restartCrashed } from '../../../src/vm/restart/restart-crashed.ts';
import { type RestartOutcome, restartVm } from '../../../src/vm/restart/restart-vm.ts';
import { START_STEPS } from '../../../src/vm/start-steps.ts';
import { faultsOf, messageOfFault } from '../../support/faults.ts';
import { isUp, leave } from '../../support/guest-acts.ts';
import { programFile, Running } from '../../support/program.ts';
import { driver } from '../../support/run-driver.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
const { paths } = sandbox.config;
const name = parseVmName('web1');
const files = sandbox.files(name);
let statd: ChildProcess | undefined;

before(() => sandbox.create(name, '--restart', 'on-crash'));
after(async () => {
  const ended = statd === undefined ? undefined : once(statd, 'exit');
  statd?.kill('SIGTERM');
  await ended;
});

async function until<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const found = await poll(probe, { deadlineMs: 60_000, everyMs: 10 });
  assert.ok(found !== undefined, `${what}: ${JSON.stringify(readAttempts(paths, name))}`);
  return found;
}

const explain = async (): Promise<Explanation> =>
  JSON.parse(await sandbox.ok('explain', [name, '--json']));

function running(): Incarnation {
  const run = runningIncarnation(files);
  assert.ok(run, 'QEMU does not run');
  return run;
}

/** Ends QEMU as a crash would. */
async function crash(): Promise<Incarnation> {
  const run = running();
  process.kill(run.pid, 'SIGKILL');
  await until('QEMU is gone', () => (isRunning(run) ? undefined : true));
  return run;
}

const SOON = { pausesMs: [0, 0, 60_000], wellMs: 600_000 };
const host = sandbox.host();
const restart = (backoff = SOON): Promise<RestartOutcome> => restartVm(host, name, backoff);

test('what is no crash is left alone: a VM that runs, one that was stopped or killed', async () => {
  assert.equal((await restart()).what, 'left');
  for (const verb of ['kill', 'stop']) {
    await sandbox.ok(verb, [name]);
    assert.deepEqual(await restart(), { what: 'left', why: 'it has not crashed' });
    await sandbox.ok('start', [name]);
  }
});

test('a crash is answered by a start, the next by a later one, and then by none', async () => {
  await crash();
  assert.deepEqual(await restart(), { what: 'started', attempt: 1 });
  const second = running();
  assert.deepEqual((await restart()).what, 'left');
  assert.equal(running().pid, second.pid);
  await crash();
  assert.deepEqual(await restart(), { what: 'started', attempt: 2 });
  await crash();
  const waits = await restart();
  assert.equal(waits.what, 'waits');
  // Asked again and again, it waits for the same moment.
  assert.deepEqual(await restart(), waits);
  const { state, restart: told } = await explain();
  assert.deepEqual([state, told.state, told.attempts], ['off', 'waiting', 2]);
  assert.match(await sandbox.ok('explain', [name]), /attempt 3 is due at \d{4}-/);
  assert.match(
    await sandbox.ok('gc', ['--execute']),
    /^VM web1 is left alone: it has crashed: attempt 3 is due at \d{4}-/,
  );
});

test('a person’s stop ends the waiting, and their start begins anew', async () => {
  // What was left of the run has been tidied up, as after every mark of the sampler's.
  await host.root.end({ name, by: 'restart-crashed', how: 'tidy', wait_ms: 0 });
  assert.equal((await restart()).what, 'waits');
  assert.equal((await sandbox.ok('stop', [name])).trim(), 'VM web1 is off already');
  assert.equal((await explain()).restart.state, null);
  assert.deepEqual(await restart(), { what: 'left', why: 'it has not crashed' });
  await sandbox.ok('start', [name]);
  await crash();
  assert.deepEqual(await restart(), { what: 'started', attempt: 1 });
});

test('after the last attempt it is given up, and explain says so', async () => {
  const impatient = { pausesMs: [0], wellMs: 600_000 };
  await crash();
  assert.deepEqual(await restart(impatient), { what: 'gave-up', attempts: 1, why: null });
  assert.equal((await restart(impatient)).what, 'gave-up');
  assert.match(await sandbox.ok('explain', [name]), /given up at \S+ after 1 attempts/);
  assert.equal(runningIncarnation(files), undefined);
});

test('one whose start fails is tried again later, with the reason told', async () => {
  await sandbox.ok('start', [name]);
  await crash();
  const away = `${files.disk}.away`;
  fs.renameSync(files.disk, away);
  const failed = await restart();
  assert.equal(failed.what, 'failed');
  assert.match((await explain()).restart.error ?? '', /its disk is missing/);
  fs.renameSync(away, files.disk);
  assert.deepEqual(await restart(), { what: 'started', attempt: 2 });
});

test('nothing is started by a policy of never, a record that is not active, a verb that died', async () => {
  const run = await crash();
  await sandbox.ok('configure', [name, '--restart', 'never']);
  assert.deepEqual(await restart(), { what: 'left', why: 'its policy says so' });
  await sandbox.ok('configure', [name, '--restart', 'on-crash']);
  await host.store.suspend(name);
  assert.deepEqual(await restart(), { what: 'left', why: 'its record is not active' });
  await host.store.activate(name, '2099-01-01T00:00:00.000000+00:00');
  fs.mkdirSync(paths.journals, { recursive: true });
  fs.writeFileSync(paths.journal(name), '{"verb":"throttle"}');
  assert.equal((await restart()).what, 'left');
  fs.rmSync(paths.journal(name));
  // Nor by the host having gone down, which is the business of start-all.
  const content = fs.readFileSync(files.process, 'utf8');
  fs.writeFileSync(files.process, content.replace(run.bootId, 'another boot'));
  assert.equal((await restart()).what, 'left');
  fs.writeFileSync(files.process, content);
});

const AT_ONCE = { pausesMs: Array.from({ length: 100 }, () => 0), wellMs: 600_000 };

/** An attempt that is killed after one of the steps of its start, each in turn. */
async function killedAttempts(after: (what: string) => Promise<void>): Promise<void> {
  for (const fault of faultsOf(START_STEPS, 'kill').filter(({ phase }) => phase === 'done')) {
    forgetAttempts(paths, name);
    const { signal, stderr } = await driver(sandbox, { restart: name, faults: [fault] });
    assert.equal(signal, 'SIGKILL', `${messageOfFault(fault)}: ${stderr}`);
    await after(fault.step);
  }
}

/** No process of the VM, and nothing but a crash that tells of it. */
async function crashed(): Promise<void> {
  await sandbox.ok('kill', [name]);
  await sandbox.ok('start', [name]);
  await crash();
}

test('an attempt that is killed at any step counts, and the next is made all the same', async () => {
  await crashed();
  await killedAttempts(async (step) => {
    const outcome = await restart(AT_ONCE);
    assert.ok(runningIncarnation(files), step);
    if (step === 'guest') {
      // Its guest ran: the attempt has succeeded, and the crash of what it started is the next one.
      assert.deepEqual(outcome, { what: 'left', why: 'it has not crashed' });
      await crash();
      assert.deepEqual(await restart(AT_ONCE), { what: 'started', attempt: 2 });
    } else assert.deepEqual(outcome, { what: 'started', attempt: 2 }, step);
    assert.equal(await sandbox.ok('status', [name]), 'active\n', step);
    assert.ok(!fs.existsSync(paths.journal(name)), step);
    await crash();
  });
});

test('so it is when gc has undone the attempt, but not when a person wants the VM off', async () => {
  await crashed();
  await killedAttempts(async (step) => {
    const told = await sandbox.ok('gc', ['--execute']);
    if (step !== 'guest') assert.ok(readAttempts(paths, name)?.attempts === 1, `${step}: ${told}`);
    await restart(AT_ONCE);
    assert.ok(runningIncarnation(files), `${step}: ${told}`);
    await crash();
  });
  await killedAttempts(async (step) => {
    await sandbox.ok('stop', [name, '--timeout', '0']);
    assert.deepEqual(await restart(AT_ONCE), { what: 'left', why: 'it has not crashed' }, step);
    assert.equal((await explain()).restart.state, null, step);
    await sandbox.ok('start', [name]);
    await crash();
  });
});

test('many who try at once start it once', async () => {
  // Counting begins anew: an attempt that is due in a second.
  forgetAttempts(paths, name);
  const outcomes = await Promise.all(
    Array.from(
      { length: 4 },
      () =>
        new Running([programFile('blockhost-qemu'), 'restart-crashed'], { env: sandbox.env }).done,
    ),
  );
  assert.ok(
    outcomes.every(({ code }) => code === 0),
    JSON.stringify(outcomes),
  );
  assert.equal(findQemuProcesses(files).length, 1);
  const said = outcomes.map(({ stdout }) => stdout).join('');
  assert.equal(said.match(/is started again/g)?.length, 1, said);
});

test('one that cannot be looked at is looked at again, and told of in the end', async () => {
  await crashed();
  forgetAttempts(paths, name);
  const told: string[] = [];
  const lookWith = async (failures: number): Promise<VmName[]> => {
    const failing = { ...sandbox.host(), report: (line: string) => told.push(line) };
    const get = failing.store.get.bind(failing.store);
    let left = failures;
    failing.store.get = async (vm) => {
      left -= 1;
      if (left >= 0) throw new ProvisionerError('the records are being written anew');
      return await get(vm);
    };
    const backoff = { pausesMs: [0, 0], wellMs: 600_000 };
    return await restartCrashed(failing, { patienceMs: 60_000, backoff, onOutcome: () => {} });
  };
  assert.deepEqual(await lookWith(3), [name]);
  assert.equal(runningIncarnation(files), undefined);
  assert.deepEqual(await lookWith(2), []);
  assert.ok(runningIncarnation(files));
  assert.deepEqual(told, Array(2).fill('VM web1: the records are being written anew'));
  await crash();
});

test('a clock that is set back while an attempt is waited for does not put it off', async (t) => {
  await crashed();
  forgetAttempts(paths, name);
  const now = Date.now;
  let back = 0;
  t.mock.method(Date, 'now', () => now() - back);
  const outcomes: string[] = [];
  await restartCrashed(host, {
    patienceMs: 60_000,
    backoff: { pausesMs: [300], wellMs: 600_000 },
    onOutcome(_, { what }) {
      outcomes.push(what);
      back = 3_600_000;
    },
  });
  assert.deepEqual([outcomes[0], outcomes.at(-1)], ['waits', 'started'], outcomes.join());
});

test('gc starts one whose crash nobody has seen', async () => {
  // Its own start, not one of ours: counting begins anew.
  await sandbox.ok('kill', [name]);
  await sandbox.ok('start', [name]);
  await crash();
  assert.match(await sandbox.ok('gc', ['--execute']), /VM web1 is started again: it had crashed/);
  assert.equal(findQemuProcesses(files).length, 1);
});

test('a crash that the sampler sees is answered without anybody asking', async (t) => {
  await sandbox.ok('kill', [name]);
  await sandbox.ok('start', [name]);
  statd = spawn(programFile('blockhost-qemu'), ['statd'], {
    env: { ...process.env, ...sandbox.env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const watched = (): unknown => readFresh(paths.published(name))?.extended.counters?.disk;
  await until('the run is watched', () => watched() ?? undefined);
  const began = performance.now();
  const before = await crash();
  const next = await until('it runs again', () => runningIncarnation(files));
  t.diagnostic(`runs again after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  assert.notEqual(next.startTime, before.startTime);
  await until('the attempt is noted', () =>
    readAttempts(paths, name)?.state === 'started' ? true : undefined,
  );
  assert.deepEqual(fs.readdirSync(paths.crashMarks), []);
  const words = await sandbox.ok('explain', [name]);
  assert.match(words, /QEMU ended without a word/);
  assert.match(words, /after a crash it was started again at \S+ \(attempt 1\)/);
});

test('a guest that panics is started again, too; one that powers itself off is not', async () => {
  await sandbox.ok('kill', [name]);
  await sandbox.ok('start', [name]);
  await guestIsUp();
  const before = running();
  await leave(sandbox, name, '/sbin/panic');
  await until('another run', () => {
    const now = runningIncarnation(files);
    return now === undefined || now.pid === before.pid ? undefined : now;
  });
  await guestIsUp();
  await leave(sandbox, name, '/sbin/poweroff');
  await until('it is off', () => (runningIncarnation(files) === undefined ? true : undefined));
  const attempts = readAttempts(paths, name)?.attempts;
  await restartCrashed(host, { patienceMs: 3000, onOutcome: () => undefined });
  assert.equal(runningIncarnation(files), undefined);
  assert.equal(readAttempts(paths, name)?.attempts, attempts);
});

test('destroy leaves nothing of it', async () => {
  await sandbox.ok('destroy', [name]);
  assert.ok(!fs.existsSync(paths.restarts(name as VmName)));
  assert.ok(!fs.existsSync(paths.crashMark(name)));
});

async function guestIsUp(): Promise<void> {
  await until('the guest is up', async () => ((await isUp(sandbox, name)) ? true : undefined));
}
