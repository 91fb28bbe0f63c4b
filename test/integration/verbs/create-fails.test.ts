import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as net from 'node:net';
import { after, test } from 'node:test';
import { parseVmName } from '../../../src/types.ts';
import { createVm } from '../../../src/vm/create.ts';
import {
  ALL_CREATE_STEPS,
  createWithFault,
  type Fault,
  faultsOf,
  messageOfFault,
  tinySpec,
} from '../../support/faults.ts';
import { leftovers } from '../../support/leftovers.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });

/** From here on a guest has to boot before the fault comes. */
const booted = ({ step, phase }: Fault): boolean =>
  step === 'record' || (step === 'guest ready' && phase === 'done');

const early = (['throw', 'abort'] as const)
  .flatMap((how) => faultsOf(ALL_CREATE_STEPS, how))
  .filter((fault) => !booted(fault));

for (const fault of early) {
  test(`create leaves nothing: ${messageOfFault(fault)}`, async () => {
    const failure = await createWithFault(sandbox.host(), tinySpec(sandbox.image, 'f1'), fault);
    assert.equal(failure, messageOfFault(fault));
    assert.deepEqual(await leftovers(sandbox.config.paths), []);
  });
}

test('create leaves nothing when it fails, or is told to end, after the guest is ready', async () => {
  const late = [
    ...faultsOf(ALL_CREATE_STEPS, 'throw').filter(booted),
    // A signal after the last step: the caller is gone and will never know of the VM.
    ...faultsOf(ALL_CREATE_STEPS, 'abort').slice(-1),
  ];
  assert.equal(late.length, 4);
  // All have ended before anything is asserted: none goes on behind the clean-up.
  const ends = await Promise.all(
    late.map(async (fault) => {
      const own = await sandbox.sibling();
      const failure = await createWithFault(own.host(), tinySpec(own.image, 'f2'), fault);
      return { fault, failure, left: await leftovers(own.config.paths) };
    }),
  );
  for (const { fault, failure, left } of ends) {
    assert.equal(failure, messageOfFault(fault));
    assert.deepEqual(left, []);
  }
});

test('numbers of failed creates are not given again', () => {
  const { next_vmid } = JSON.parse(fs.readFileSync(sandbox.config.paths.records, 'utf8'));
  assert.ok(next_vmid > 110);
});

test('a failure that cannot be undone says so, and destroy finishes the clean-up', async () => {
  const host = sandbox.host({
    onStep({ step, phase }) {
      if (step === 'guest' && phase === 'do') throw new Error('first failure');
      if (step === 'run directory' && phase === 'undo') throw new Error('stuck');
    },
  });
  await assert.rejects(
    createVm(host, tinySpec(sandbox.image, 'f3')),
    /^UndoError: first failure; undoing it also failed: run directory: stuck$/,
  );
  assert.ok(fs.existsSync(sandbox.config.paths.journal(parseVmName('f3'))));
  assert.equal(await sandbox.ok('destroy', ['f3']), 'VM f3 is destroyed\n');
  assert.deepEqual(await leftovers(sandbox.config.paths), []);
});

test('a port that is taken between the choice and QEMU is replaced by another', async (t) => {
  const config = (): { network: { ssh_port: number } } =>
    JSON.parse(fs.readFileSync(sandbox.files('f4').config, 'utf8'));
  const somebody = net.createServer();
  t.after(() => somebody.close());
  const reports: string[] = [];
  const ports: number[] = [];
  const host = sandbox.host({
    report: (line) => reports.push(line),
    onStep({ step, phase }) {
      if (step === 'logs' && phase === 'done') {
        ports.push(config().network.ssh_port);
        // The step that follows spawns QEMU, which takes longer to get there than we do.
        somebody.listen({ host: '127.0.0.1', port: ports[0] });
      }
      if (step === 'guest' && phase === 'done') {
        ports.push(config().network.ssh_port);
        throw new Error('that is enough');
      }
    },
  });
  await assert.rejects(createVm(host, tinySpec(sandbox.image, 'f4')), /that is enough/);
  const [first, second] = ports;
  assert.ok(first !== undefined && second !== undefined && second > first);
  assert.ok(reports.includes(`port ${first} is in use: ssh leads through 127.0.0.1:${second} now`));
  assert.deepEqual(await leftovers(sandbox.config.paths), []);
});
