import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, test } from 'node:test';
import { assertEnd, MANY_VERBS, runLine } from '../../support/many/any-verb.ts';
import { BlankVms } from '../../support/many/blank-vms.ts';
import { Random } from '../../support/random.ts';
import { Sandbox } from '../../support/sandbox.ts';

const vms = await BlankVms.make(await Sandbox.make({ after }, { accel: 'tcg' }));
const { sandbox } = vms;

test('50 verbs at once over 5 VMs: each is done or refused, and nothing is lost or left', async (t) => {
  const random = new Random();
  t.diagnostic(random.told);
  const names = ['c1', 'c2', 'c3', 'c4', 'c5'];
  for (const name of names.slice(0, 3)) await vms.create(name);
  const lines = Array.from({ length: 50 }, () => random.pick(MANY_VERBS)(vms, random.pick(names)));
  const ends = await Promise.all(lines.map((line) => runLine(sandbox, line)));
  ends.forEach((end, i) => {
    assertEnd(lines[i] ?? [], end);
  });
  assert.deepEqual(await vms.differences(), []);
  for (const name of names) await sandbox.ok('destroy', [name]);
  assert.deepEqual(await vms.differences(), []);
});

test('options given at once are all kept', async () => {
  await vms.create('o1');
  const limits = [
    ['--iops-read', '501'],
    ['--iops-write', '502'],
    ['--bps-read', '1000003'],
    ['--bps-write', '1000004'],
  ];
  await Promise.all(limits.map((words) => sandbox.ok('throttle', ['o1', ...words])));
  await sandbox.ok('kill', ['o1']);
  const sizes = [
    ['--forward', '38080:80'],
    ['--memory', '160'],
  ];
  await Promise.all(sizes.map((words) => sandbox.ok('configure', ['o1', ...words])));
  const config = JSON.parse(fs.readFileSync(sandbox.files('o1').config, 'utf8'));
  assert.deepEqual(config.limits, {
    iops_read: 501,
    iops_write: 502,
    bps_read: 1_000_003,
    bps_write: 1_000_004,
  });
  assert.deepEqual([config.forwards[0].host_port, config.memory_mb], [38_080, 160]);
  assert.deepEqual(await vms.differences(), []);
});

test('who has to wait too long is told for whom', async () => {
  await vms.create('b1');
  const stopping = sandbox.begin('stop', ['b1', '--timeout', '12']);
  await stopping.says(/asking the guest/);
  const { code, stderr } = await runLine(sandbox, vms.createArgs('b1'));
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`VM b1 is in use by stop of b1 \\(pid ${stopping.child.pid}\\)`));
  assert.equal((await stopping.done).code, 0);
  assert.deepEqual(await vms.differences(), []);
});
