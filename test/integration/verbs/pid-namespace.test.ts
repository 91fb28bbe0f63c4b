import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import { type Finished, programFile, Running } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

// Containers that share a state directory: none sees the processes of another.

const sandbox = await Sandbox.make({ after }, { accel: 'tcg' });
const base = path.dirname(sandbox.state);
/** Nothing to boot: it costs nothing. */
const blank = path.join(base, 'blank.qcow2');
const files = sandbox.files('v1');
const CONTAINER = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
const CREATE = ['v1', '--image', blank, '--memory', '128', '--disk', '1', '--apply', '--no-wait'];
let first: Running;

before(async () => {
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', blank, '1M']);
  // Its VM lives as long as it does.
  const script = '"$@" && touch "$0" && sleep 1000';
  const words = [programFile('blockhost-vm-create'), ...CREATE];
  const argv = [...CONTAINER, 'sh', '-c', script, path.join(base, 'made'), ...words];
  first = new Running(argv, { env: sandbox.env, limitMs: 600_000 });
  const made = (): true | undefined => (fs.existsSync(path.join(base, 'made')) ? true : undefined);
  assert.ok(await poll(made, { deadlineMs: 120_000, everyMs: 50 }), first.stderr);
});
after(async () => {
  first.child.kill('SIGKILL');
  await first.done;
});

/** From a container of its own. */
const beside = (verb: string, ...args: string[]): Promise<Finished> =>
  sandbox.run(verb, args, { prefix: CONTAINER });

const codeOf = ({ code }: { code: string }): string => code;
const traces = (): (string | number)[] =>
  [files.process, files.qmp, files.consoleFifo].map((file) => fs.statSync(file).ino);

test('one that runs in another container is asked by its monitor, and no verb takes it for gone', async () => {
  const had = traces();
  assert.equal((await beside('status', 'v1')).stdout, 'active\n');
  for (const [verb, ...args] of [
    ['start', 'v1'],
    ['stop', 'v1'],
    ['kill', 'v1'],
    ['throttle', 'v1', '--iops-read', '100'],
    ['snapshot', 'create', 'v1', 's1'],
    ['backup', 'v1', '--to', path.join(base, 'x')],
    ['destroy', 'v1'],
  ] as const) {
    const { code, stderr } = await beside(verb, ...args);
    assert.equal(code, 1, verb);
    assert.match(
      stderr,
      /VM v1 was started in another process namespace, and may run there; run the command there/,
    );
  }
  assert.equal(JSON.parse((await beside('metrics', 'v1')).stdout).state, 'unknown');
  const doctor = [...CONTAINER, programFile('blockhost-qemu'), 'doctor', '--json'];
  const { findings } = JSON.parse((await new Running(doctor, { env: sandbox.env }).done).stdout);
  assert.deepEqual(
    findings.filter(({ subject }: { subject: string }) => subject === 'v1').map(codeOf),
    ['elsewhere'],
  );
  assert.doesNotMatch((await beside('gc', '--execute')).stdout, /tidied|started/);
  assert.deepEqual(traces(), had);
  // The host sees it, by its command line.
  assert.doesNotMatch(await sandbox.ok('gc', ['--execute']), /tidied|started/);
  assert.equal(await sandbox.ok('status', ['v1']), 'active\n');
  assert.deepEqual(traces(), had);
  assert.equal((await beside('status', 'v1')).stdout, 'active\n');
});

test('one that is silent is unknown there, not off', async () => {
  const away = `${files.run}.away`;
  fs.renameSync(files.run, away);
  assert.equal((await beside('status', 'v1')).stdout, 'unknown\n');
  fs.renameSync(away, files.run);
});

test('when its container ends it is gone for the others, too', async () => {
  first.child.kill('SIGKILL');
  await first.done;
  const off = async (): Promise<true | undefined> =>
    (await beside('status', 'v1')).stdout === 'suspended\n' ? true : undefined;
  assert.ok(await poll(off, { deadlineMs: 60_000, everyMs: 100 }), 'it does not seem to be off');
  const { code, stderr } = await beside('start', 'v1');
  assert.equal(code, 0, stderr);
  assert.equal((await beside('destroy', 'v1')).code, 0);
});
