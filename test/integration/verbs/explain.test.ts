import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { poll } from '../../../src/host/time.ts';
import { readFresh } from '../../../src/metrics/published.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { readVmEvents, type VmEvent } from '../../../src/store/vm-events.ts';
import { parseVmName } from '../../../src/types.ts';
import type { Explanation } from '../../../src/vm/explain/shape.ts';
import { isUp, leave } from '../../support/guest-acts.ts';
import { programFile } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
const name = parseVmName('web1');
const files = sandbox.files(name);
let statd: ChildProcess | undefined;

async function startStatd(): Promise<void> {
  statd = spawn(programFile('blockhost-qemu'), ['statd'], {
    env: { ...process.env, ...sandbox.env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await once(statd, 'spawn');
}

async function stopStatd(): Promise<void> {
  const ended = statd === undefined ? undefined : once(statd, 'exit');
  statd?.kill('SIGTERM');
  await ended;
  statd = undefined;
}

before(async () => {
  await startStatd();
  await sandbox.create(name);
  await watched();
});
after(stopStatd);

const explain = async (): Promise<Explanation> =>
  JSON.parse(await sandbox.ok('explain', [name, '--json']));

const events = (): VmEvent[] => {
  const { uuid } = JSON.parse(fs.readFileSync(files.config, 'utf8'));
  return readVmEvents(sandbox.config.paths.events(name), uuid) ?? [];
};

async function until<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const found = await poll(probe, { deadlineMs: 60_000, everyMs: 5 });
  assert.ok(found !== undefined, `${what}: ${JSON.stringify(events())}`);
  return found;
}

/** The sampler has seen the run that goes on, and follows it. */
async function watched(): Promise<void> {
  const isRead = () => readFresh(sandbox.config.paths.published(name))?.extended.counters?.disk;
  await until('the run is watched', () => isRead() ?? undefined);
}

/** Another run. */
async function startAgain(): Promise<void> {
  await sandbox.run('kill', [name]);
  await sandbox.ok('start', [name]);
  await watched();
}

async function guestIsUp(): Promise<void> {
  await until('the guest is up', async () => ((await isUp(sandbox, name)) ? true : undefined));
}

/** Ends QEMU as from outside. @returns milliseconds until the sampler had noted it. */
async function killQemu(signal: NodeJS.Signals): Promise<number> {
  const pid = sandbox.pid(name);
  const before = events().filter(({ kind }) => kind === 'ended').length;
  const began = performance.now();
  process.kill(pid, signal);
  await until('its end is noted', () =>
    events().filter(({ kind }) => kind === 'ended').length > before ? true : undefined,
  );
  return performance.now() - began;
}

test('stop is told by its name', async () => {
  await guestIsUp();
  await sandbox.ok('stop', [name]);
  const { state, cause, since } = await explain();
  assert.deepEqual([state, cause], ['off', 'stopped']);
  assert.ok(since !== null);
});

test('a pause is told, and that it is over', async () => {
  await startAgain();
  await sandbox.ok('pause', [name]);
  const paused = await until('the pause is noted', async () => {
    const found = await explain();
    return found.since === null ? undefined : found;
  });
  assert.deepEqual([paused.state, paused.cause], ['paused', 'paused']);
  await sandbox.ok('start', [name]);
  await until('it goes on', () => (events().some((e) => e.kind === 'resumed') ? true : undefined));
  assert.equal((await explain()).cause, 'running');
});

test('a guest that panics is told, and its console cannot harm who reads it', async () => {
  await guestIsUp();
  const hostile = String.raw`printf "\033]0;owned\007\033[2J\033[31mred\033[0m \342\200\256bidi \001\n" >/dev/ttyS0`;
  await sandbox.sh(name, hostile);
  await leave(sandbox, name, '/sbin/panic');
  const found = await until('the panic is noted', async () => {
    const now = await explain();
    return now.since === null || now.cause !== 'panicked' ? undefined : now;
  });
  assert.equal(found.state, 'paused');
  // Its last words come a moment later, by way of the logger.
  const words = await until('the last words', async () => {
    const all = await sandbox.ok('explain', [name]);
    return all.includes('Kernel panic') ? all : undefined;
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  assert.doesNotMatch(words, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  const panicked = await until('its lines', () =>
    events().find(
      ({ kind, console: kept }) =>
        kind === 'panicked' && kept?.some((l) => l.includes('Kernel panic')),
    ),
  );
  assert.equal(panicked.count, 1);
});

test('a guest that powers itself off did so, and nothing is wrong', async () => {
  await startAgain();
  await guestIsUp();
  await leave(sandbox, name, '/sbin/poweroff');
  await until('it is off', async () => ((await explain()).state === 'off' ? true : undefined));
  const off = await until('why', async () => {
    const found = await explain();
    return found.cause === 'powered-off' ? found : undefined;
  });
  assert.equal(off.text, 'the guest powered itself off');
  assert.equal((await sandbox.ok('stop', [name])).trim(), 'VM web1 is off already');
  // Somebody else who finds it off has not ended it.
  assert.equal((await explain()).cause, 'powered-off');
});

test('a QEMU that is killed is noted at once, and told as a crash with the last lines', async (t) => {
  await startAgain();
  await until('its console speaks', () =>
    fs.statSync(files.consoleLog).size > 0 ? true : undefined,
  );
  const tookMs = await killQemu('SIGKILL');
  t.diagnostic(`noted ${Math.round(tookMs)} ms after the signal`);
  // A second is meant; a busy machine gets more.
  assert.ok(tookMs < 5000, `${tookMs} ms`);
  const { state, cause, text, since, console: lines } = await explain();
  assert.deepEqual([state, cause], ['off', 'crashed']);
  assert.match(text, /crashed, or a signal such as SIGKILL/);
  assert.ok(Math.abs(Date.parse(since ?? '') - Date.now()) < 60_000, `${since}`);
  assert.ok(lines.length > 0);
  const ended = await until('its lines', () => {
    const last = events().findLast(({ kind }) => kind === 'ended');
    return (last?.console?.length ?? 0) > 0 ? last : undefined;
  });
  assert.equal(ended.detail, 'unannounced');
  const words = await sandbox.ok('explain', [name]);
  assert.match(words, /^VM web1 is off: QEMU ended without shutting down/);
  assert.match(words, /what to do: journalctl -k .*run start web1/);
  assert.match(words, /^ {2}\S+Z {2}QEMU ended without a word$/m);
});

test('gc, which takes away what the run left, takes the reason to the notes', async () => {
  await sandbox.ok('gc', ['--execute']);
  assert.ok(!fs.existsSync(files.process) && !fs.existsSync(files.pid));
  assert.equal((await explain()).cause, 'crashed');
});

test('kill is told by its name', async () => {
  await startAgain();
  await sandbox.ok('kill', [name]);
  const killed = await explain();
  assert.deepEqual([killed.cause, killed.text], ['killed', 'it was ended by `kill`']);
});

test('a signal from outside is told by its number, and a QEMU that is stopped as silent', async () => {
  await startAgain();
  const pid = sandbox.pid(name);
  process.kill(pid, 'SIGSTOP');
  await until('silence is noted', () =>
    events().some((e) => e.kind === 'silent') ? true : undefined,
  );
  const silent = await explain();
  assert.deepEqual([silent.state, silent.cause], ['unknown', 'silent']);
  assert.match(silent.text, /SIGSTOP/);
  process.kill(pid, 'SIGCONT');
  await until('it is back', () => (events().some((e) => e.kind === 'answers') ? true : undefined));
  await killQemu('SIGTERM');
  const { cause, text } = await explain();
  assert.equal(cause, 'signalled');
  assert.match(text, /signal 15 from process \d+/);
});

test('a QEMU that hangs is found, noted with its last lines, and heard again', async (t) => {
  await startAgain();
  // A file that cannot be opened before somebody reads it: QEMU waits in open(2), asleep and not stopped.
  const fifo = path.join(sandbox.state, 'fifo');
  execFileSync('mkfifo', [fifo]);
  fs.chmodSync(fifo, 0o666);
  const of = (kind: VmEvent['kind']) => () => events().findLast((e) => e.kind === kind && inRun(e));
  const { started_at } = JSON.parse(fs.readFileSync(files.process, 'utf8'));
  const inRun = ({ at }: VmEvent) => at >= started_at;
  await withQmp(files.qmp, async (qmp) => {
    const began = performance.now();
    const args = { val: 0, size: 4096, filename: fifo };
    const saved = qmp.executeRaw('pmemsave', args, { deadlineMs: 60_000 });
    const silent = await until('silence is noted', of('silent'));
    t.diagnostic(`a hang was noted after ${(performance.now() - began).toFixed(0)} ms`);
    // Two files, one replaced after the other.
    await until('the last lines', () => of('silent')()?.console);
    const said = await explain();
    assert.deepEqual([said.state, said.cause, said.since], ['unknown', 'silent', silent.at]);
    assert.match(said.text, /cannot be told/);
    const state = () => readFresh(sandbox.config.paths.published(name))?.record.state;
    await until('it is published', () => (state() === 'unknown' ? true : undefined));
    assert.equal(fs.readFileSync(fifo).length, 4096);
    await saved;
  });
  const answers = await until('it is heard again', of('answers'));
  assert.ok((answers.silent_s ?? 0) > 0);
  assert.equal((await explain()).cause, 'running');
});

test('a host that went down is told by its boot', async () => {
  await sandbox.ok('start', [name]);
  const run = JSON.parse(fs.readFileSync(files.process, 'utf8'));
  await sandbox.ok('kill', [name]);
  fs.writeFileSync(files.process, JSON.stringify({ ...run, bootId: 'another boot' }));
  assert.equal((await explain()).cause, 'host-down');
  await sandbox.ok('stop', [name]);
  assert.equal((await explain()).cause, 'host-down');
});

test('without the sampler a crash is told all the same, and noted when it is back', async () => {
  await stopStatd();
  await sandbox.ok('start', [name]);
  const pid = sandbox.pid(name);
  process.kill(pid, 'SIGKILL');
  await until('it is off', async () => ((await explain()).state === 'off' ? true : undefined));
  const off = await explain();
  assert.deepEqual([off.cause, off.since], ['crashed', null]);
  fs.rmSync(sandbox.config.paths.events(name).events);
  const unwatched = await explain();
  assert.deepEqual([unwatched.cause, unwatched.watched, unwatched.events], ['crashed', false, []]);
  assert.match(await sandbox.ok('explain', [name]), /no sampler has watched it/);
  // Watched, left alone, and ended meanwhile.
  await sandbox.ok('start', [name]);
  await startStatd();
  await watched();
  await stopStatd();
  process.kill(sandbox.pid(name), 'SIGKILL');
  await startStatd();
  const missed = await until('the missed end', () => events().find(({ kind }) => kind === 'ended'));
  assert.equal(missed.detail, 'unseen');
  assert.equal((await explain()).cause, 'crashed');
});

test('what does not exist has no past', async () => {
  await sandbox.ok('destroy', [name]);
  const { code, stderr } = await sandbox.run('explain', [name]);
  assert.equal(code, 1);
  assert.match(stderr, /^blockhost-vm-explain: VM web1 does not exist; [^\n]+\n$/);
  const files = Object.values(sandbox.config.paths.events(name));
  // The sampler forgets it when it looks the next time.
  const forgotten = (): true | undefined => !files.some((file) => fs.existsSync(file)) || undefined;
  assert.ok(await poll(forgotten, { deadlineMs: 60_000, everyMs: 50 }), files.join());
});
