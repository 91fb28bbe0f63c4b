import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { runVerb } from '../../../src/cli/run-verb.ts';
import type { ReadHost } from '../../../src/vm/host.ts';

test('what a guest says moves no cursor, also in words beside the error', async () => {
  const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const heard = SIGNALS.map((signal) => process.listeners(signal));
  const said: string[] = [];
  const write = mock.method(process.stderr, 'write', (text: string) => said.push(text) > 0);
  try {
    const verb = {
      summary: 'says it',
      declare: () => undefined,
      run: ({ out }: { out: { note(text: string): void } }) => {
        out.note('a\u001b[2J\u009bm\tb\nc\r');
        return Promise.resolve(0);
      },
    };
    await runVerb<typeof verb, ReadHost>({
      command: 'test',
      argv: [],
      load: () => Promise.resolve({ verb }),
      hostOf: () => Promise.resolve({} as ReadHost),
    });
  } finally {
    write.mock.restore();
    for (const [i, signal] of SIGNALS.entries())
      for (const listener of process.listeners(signal))
        if (!heard[i]?.includes(listener)) process.removeListener(signal, listener);
  }
  assert.ok(said.includes('a\\u001b[2J\\u009bm\tb\nc\\u000d\n'), JSON.stringify(said));
});
