import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, test } from 'node:test';
import { assertEnd, MANY_VERBS, runLine } from '../../support/many/any-verb.ts';
import { BlankVms } from '../../support/many/blank-vms.ts';
import { Sandbox } from '../../support/sandbox.ts';

const vms = await BlankVms.make(await Sandbox.make({ after }, { accel: 'tcg' }));
const { sandbox } = vms;

test('every pair of verbs on one VM at once', async () => {
  const pairs = MANY_VERBS.flatMap((a, i) => MANY_VERBS.slice(i).map((b) => [a, b] as const));
  const lane = async (name: string): Promise<void> => {
    for (let pair = pairs.shift(); pair !== undefined; pair = pairs.shift()) {
      if (!fs.existsSync(sandbox.files(name).directory)) await vms.create(name);
      const lines = pair.map((verb) => verb(vms, name));
      const ends = await Promise.all(lines.map((line) => runLine(sandbox, line)));
      ends.forEach((end, i) => {
        assertEnd(lines[i] ?? [], end);
      });
      await sandbox.run('snapshot', ['delete', name, 's1']);
    }
  };
  await Promise.all(['p1', 'p2', 'p3', 'p4'].map(lane));
  assert.deepEqual(await vms.differences(), []);
});
