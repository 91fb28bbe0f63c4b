import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { runVerb } from '../../../src/cli/run-verb.ts';
import type { ReadHost } from '../../../src/vm/host.ts';

test('any number of VMs may wait with the signal of a verb, and Node warns of none', async (t) => {
  const warnings: string[] = [];
  const note = ({ message }: Error): unknown => warnings.push(message);
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  const verb = {
    summary: 'waits',
    declare: () => undefined,
    async run({ host }: { host: ReadHost }) {
      for (let vm = 0; vm < 128; vm++) host.signal.addEventListener('abort', () => undefined);
      await setImmediate();
      return 0;
    },
  };
  const code = await runVerb({
    ...{ command: 'blockhost-qemu wait', argv: [], load: () => Promise.resolve({ verb }) },
    hostOf: ({ signal }) => Promise.resolve({ signal } as ReadHost),
  });
  assert.deepEqual([code, warnings], [0, []]);
});
