import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, test } from 'node:test';
import { identify, isRunning } from '../../../src/host/process.ts';
import { parseVmName } from '../../../src/types.ts';
import { destroyVm } from '../../../src/vm/destroy.ts';
import {
  ALL_CREATE_STEPS,
  type Fault,
  faultsOf,
  messageOfFault,
  tinySpec,
} from '../../support/faults.ts';
import { leftovers } from '../../support/leftovers.ts';
import { driver } from '../../support/run-driver.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
const name = parseVmName('k1');
/** Before a step the host is as it was after the one before it: one of the two is enough. */
const faults = faultsOf(ALL_CREATE_STEPS, 'kill').filter(
  ({ phase }, i) => i === 0 || phase === 'done',
);

async function killedCreate(fault: Fault, own = sandbox): Promise<void> {
  const orders = { create: tinySpec(own.image, name), faults: [fault] };
  const { signal, stderr } = await driver(own, orders);
  assert.equal(signal, 'SIGKILL', `${messageOfFault(fault)}: ${stderr}`);
}

for (const fault of faults) {
  test(`destroy finishes a create that was killed: ${fault.step} (${fault.phase})`, async () => {
    await killedCreate(fault);
    assert.equal(await destroyVm(sandbox.host(), name), true);
    assert.deepEqual(await leftovers(sandbox.config.paths), []);
    assert.equal(await destroyVm(sandbox.host(), name), false);
  });
}

test('create after a create that was killed, at every step in turn, and at last one that is not', async () => {
  const own = await sandbox.sibling();
  const beforeBoot = faults.slice(0, -2);
  for (const fault of beforeBoot) await killedCreate(fault, own);
  const { code, stderr } = await own.run('create', [name, ...own.tiny, '--apply']);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^an earlier create of k1 was interrupted: cleaning up$/m);
  assert.equal(await own.ok('status', [name]), 'active\n');
  assert.equal(await own.sh(name, 'echo it works'), 'it works');
  await own.ok('destroy', [name]);
  assert.deepEqual(await leftovers(own.config.paths), []);
});

test('a create that was killed when the record was written has made its VM', async () => {
  const own = await sandbox.sibling();
  const last = faults.at(-1);
  assert.ok(last !== undefined);
  await killedCreate(last, own);
  assert.equal(await own.ok('status', [name]), 'active\n');
  assert.equal(await own.sh(name, 'echo it works'), 'it works');
  const again = await own.run('create', [name, ...own.tiny, '--apply']);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /VM k1 exists already/);
  assert.equal(await own.ok('kill', [name]), 'VM k1 is killed\n');
  assert.equal(await own.ok('destroy', [name]), 'VM k1 is destroyed\n');
  assert.deepEqual(await leftovers(own.config.paths), []);
});

test('a QEMU of which no file tells is found and ended', async () => {
  const fault = { step: 'guest', phase: 'done', how: 'kill' } as const;
  for (const verb of ['destroy', 'create']) {
    const own = await sandbox.sibling();
    await killedCreate(fault, own);
    const qemu = identify(own.pid(name));
    assert.ok(qemu !== undefined && isRunning(qemu));
    for (const file of [own.files(name).process, own.files(name).pid]) fs.rmSync(file);
    if (verb === 'destroy') await own.ok('destroy', [name]);
    else await killedCreate({ ...fault, step: 'addresses', phase: 'do' }, own);
    assert.equal(isRunning(qemu), false);
    await own.run('destroy', [name]);
    assert.deepEqual(await leftovers(own.config.paths), []);
  }
});
