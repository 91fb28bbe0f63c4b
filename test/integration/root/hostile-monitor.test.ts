import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as net from 'node:net';
import { type TestContext, test } from 'node:test';
import { BusyError } from '../../../src/errors.ts';
import { loadConfig } from '../../../src/host/config.ts';
import { identify } from '../../../src/host/process.ts';
import { monotonicMs } from '../../../src/host/time.ts';
import { answer } from '../../../src/root/door.ts';
import { writeIncarnation } from '../../../src/store/incarnation.ts';
import { readVmConfig, writeVmConfig } from '../../../src/store/vm-config.ts';
import { MiB, parseVmName } from '../../../src/types.ts';
import { endQemu } from '../../../src/vm/end-qemu.ts';
import type { RootContext } from '../../../src/vm/host.ts';
import { Limited } from '../../../src/vm/root-side.ts';
import { startRun } from '../../../src/vm/start-run.ts';
import { type FakeCall, FakeQmpServer, NO_REPLY } from '../../support/fake-qmp.ts';
import { configOf } from '../../support/fleet/config.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

// A guest that has taken over its QEMU answers for it. Whoever waits for it behind the door holds up every other VM.

const NAME = parseVmName('web1');
const REQUEST = JSON.stringify({ name: NAME, limits: { iops_read: 100 } });
/** Well under the 5 s that one command may take elsewhere, with room for a busy machine. */
const SOON_MS = 2500;

/** A VM whose monitor is the test's; its process is this one. */
async function host(t: TestContext): Promise<{ context: RootContext; fake: FakeQmpServer }> {
  const state = temporaryDirectory(t);
  const config = await loadConfig({
    BLOCKHOST_QEMU_STATE_DIR: state,
    BLOCKHOST_QEMU_CONFIG: '/dev/null',
  });
  const files = config.paths.vm(NAME);
  fs.mkdirSync(files.directory, { recursive: true });
  fs.mkdirSync(files.run, { recursive: true });
  writeVmConfig(files, { ...configOf(NAME, 1), network: { mode: 'user', ssh_port: 22_000 } });
  const identity = identify(process.pid);
  assert.ok(identity);
  writeIncarnation(files, { ...identity, runner: 'direct', accel: 'tcg', started_at: '' });
  const fake = await FakeQmpServer.start({ path: files.qmp });
  t.after(() => fake.stop());
  const quiet = (): void => undefined;
  const signal = new AbortController().signal;
  return { context: { ...config, report: quiet, verbose: quiet, signal, inHaste: true }, fake };
}

async function assertLateSoon(context: RootContext): Promise<void> {
  const began = monotonicMs();
  const reply = await answer(context, 'vm-limits', REQUEST);
  const took = monotonicMs() - began;
  assert.ok(took < SOON_MS, `${took} ms`);
  assert.ok(reply.ok);
  const { failed, again } = Limited.parse(reply.result);
  assert.deepEqual(
    failed.map(({ group, unanswered }) => [group, unanswered]),
    [['disk', true]],
  );
  assert.ok(again, 'whoever asked does not ask again');
  const why = /busy or not answering \(no reply to qom-[sg]et within \d+ ms\)/;
  assert.match(failed[0]?.error ?? '', why);
  assert.equal(readVmConfig(NAME, context.paths.vm(NAME)).limits, undefined);
}

test('a QEMU that greets and then is silent does not hold the root side up', async (t) => {
  const { context, fake } = await host(t);
  fake.on('qom-set', () => NO_REPLY);
  await assertLateSoon(context);
  assert.deepEqual(fake.commands, ['qom-set']);
});

test('a start that finds a QEMU slow to tell whether its guest runs is to be asked for again', async (t) => {
  const { context } = await host(t);
  const slow = await FakeQmpServer.start({ path: context.paths.vm(NAME).probe });
  t.after(() => slow.stop());
  slow.on('query-status', () => NO_REPLY);
  const began = monotonicMs();
  await assert.rejects(startRun(context, { name: NAME }), (error) => {
    assert.ok(error instanceof BusyError, String(error));
    assert.match(error.message, /its QEMU is alive, but does not say whether the guest runs/);
    return true;
  });
  assert.deepEqual(slow.commands, ['query-status']);
  assert.ok(monotonicMs() - began < SOON_MS, `${monotonicMs() - began} ms`);
});

test('nor does one that drips: each answer just in time, but all of them too late', async (t) => {
  const { context, fake } = await host(t);
  const late = ({ id, connection }: FakeCall): typeof NO_REPLY => {
    setTimeout(() => connection.send({ id, return: {} }), 450);
    return NO_REPLY;
  };
  fake.on('qom-set', late).on('qom-get', late);
  await assertLateSoon(context);
  assert.deepEqual(fake.commands, ['qom-set', 'qom-get']);
});

test('nor does one whose answer has no end', async (t) => {
  const { context, fake } = await host(t);
  fake.on('qom-set', ({ connection }) => {
    const timer = setInterval(() => connection.raw(' '), 50);
    t.after(() => clearInterval(timer));
    return NO_REPLY;
  });
  await assertLateSoon(context);
});

test('a greeting of 60 MiB is not read, and keeps nobody from ending the VM', async (t) => {
  const { context, fake } = await host(t);
  await fake.stop();
  const files = context.paths.vm(NAME);
  const monitor = await endlessGreeting(t, files.qmp, 60);
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  const identity = identify(child.pid ?? 0);
  assert.ok(identity);
  writeIncarnation(files, { ...identity, runner: 'direct', accel: 'tcg', started_at: '' });
  const began = monotonicMs();
  assert.deepEqual(await endQemu(files, 'quit', 2000), { ran: true, gone: false });
  const took = monotonicMs() - began;
  // All of it would take a minute to understand.
  assert.ok(took < 15_000, `${took} ms`);
  // What is more than that was on its way when the reader hung up.
  assert.ok(monitor.sent() < 8 * MiB, `${monitor.sent()} bytes`);
  assert.deepEqual(await endQemu(files, 'kill', 60_000), { ran: true, gone: true });
});

/** A monitor whose first line has so many MiB of JSON. */
async function endlessGreeting(
  t: TestContext,
  path: string,
  mib: number,
): Promise<{ sent(): number }> {
  const piece = Buffer.from('{},'.repeat(21_845));
  let sent = 0;
  const server = net.createServer((socket) => {
    socket.on('error', () => socket.destroy());
    const more = (): void => {
      if (socket.destroyed) return;
      if (sent >= mib * MiB) return void socket.write('{}]}\n');
      sent += piece.length;
      socket.write(piece, () => setImmediate(more));
    };
    socket.write('{"QMP":[', more);
    socket.resume();
  });
  t.after(() => server.close());
  server.listen(path);
  await once(server, 'listening');
  return { sent: () => sent };
}
