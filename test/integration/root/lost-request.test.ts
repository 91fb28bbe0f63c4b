import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Transport } from '../../../src/root/remote.ts';
import { remoteRoot } from '../../../src/root/remote.ts';
import type { RequestName } from '../../../src/root/requests.ts';
import { parseVmName } from '../../../src/types.ts';
import { processesOf } from '../../../src/vm/end-qemu.ts';
import type { Host } from '../../../src/vm/host.ts';
import { readJournal } from '../../../src/vm/journal.ts';
import { showLimits, throttleVm } from '../../../src/vm/limits/throttle.ts';
import { startVm } from '../../../src/vm/start.ts';
import { programFile } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

// On a busy host the root agent ends a request that takes too long, wherever it is, and says so.

const NAME = parseVmName('web1');
const sandbox = await Sandbox.make({ after });
const files = sandbox.files('web1');

before(() => sandbox.create('web1'));

/** The root side behind a door that ends the first request of this kind as soon as `there` is so. */
function losing(kind: RequestName, there: () => boolean): { host: Host; asked: string[] } {
  const asked: string[] = [];
  const transport: Transport = async (name, params) => {
    asked.push(name);
    const first = name === kind && asked.filter((one) => one === kind).length === 1;
    const env = { ...process.env, ...sandbox.env };
    const child = spawn(programFile('blockhost-qemu'), ['root', name], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env,
    });
    let stdout = '';
    let ended = false;
    child.stdout.on('data', (bytes) => {
      stdout += bytes;
    });
    const done = new Promise((resolve) => child.once('close', resolve)).then(() => {
      ended = true;
    });
    child.stdin.end(JSON.stringify(params));
    while (first && !ended) {
      if (there()) {
        child.kill('SIGKILL');
        await done;
        return { ok: false, error: `qemu-${name} took longer than 9.5 s`, kind: 'lost' };
      }
      await setImmediate();
    }
    await done;
    if (first) throw new Error(`${name} was through before it could be ended`);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as unknown;
  };
  const local = sandbox.host();
  return { host: { ...local, root: remoteRoot(transport, local) }, asked };
}

for (const [moment, there] of [
  ['that QEMU is there, and no note of it', () => processesOf(files).length > 0],
  ['there is a note of QEMU', () => fs.existsSync(files.process)],
] as const) {
  test(`a start that is lost the moment ${moment} is made once more`, async () => {
    await sandbox.ok('kill', ['web1']);
    const { host, asked } = losing('vm-start', there);
    assert.equal(await startVm(host, NAME), 'started');
    assert.equal(asked.filter((name) => name === 'vm-start').length, 2);
    assert.equal(readJournal(host, NAME), undefined);
    assert.equal(await sandbox.ok('status', ['web1']), 'active\n');
    assert.equal(processesOf(files).length, 1);
  });
}

test('a request for limits that is lost is made once more', async () => {
  let looked = 0;
  const { host, asked } = losing('vm-limits', () => looked++ > 20);
  const { failed } = await throttleVm(host, NAME, { set: { iops_read: 700 } });
  assert.deepEqual([failed, asked], [[], ['vm-limits', 'vm-limits']]);
  assert.equal(readJournal(host, NAME), undefined);
  const { requested, inForce } = await showLimits(host, NAME);
  assert.deepEqual([requested, inForce], [{ iops_read: 700 }, { iops_read: 700 }]);
});

test('what is lost every time is an error, and the next start mends it', async () => {
  await sandbox.ok('kill', ['web1']);
  const host = sandbox.host();
  const lost = { ...host, root: remoteRoot(async () => LOST, host) };
  await assert.rejects(startVm(lost, NAME), /took longer than 9.5 s/);
  assert.equal(readJournal(host, NAME)?.verb, 'start');
  assert.match(await sandbox.ok('start', ['web1']), /is started/);
  assert.equal(readJournal(host, NAME), undefined);
});

const LOST = { ok: false, error: 'qemu-vm-start took longer than 9.5 s', kind: 'lost' };
