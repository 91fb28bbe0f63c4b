import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Invocation } from '../../../src/cli/invocation.ts';
import { runVerb } from '../../../src/cli/run-verb.ts';
import { Paths } from '../../../src/host/paths.ts';
import type { ReadHost } from '../../../src/vm/host.ts';

/** What a verb that does this says on stderr. */
async function saidBy(
  run: (invocation: Invocation<ReadHost>) => Promise<number>,
): Promise<string[]> {
  const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const heard = SIGNALS.map((signal) => process.listeners(signal));
  const said: string[] = [];
  const write = mock.method(process.stderr, 'write', (text: string) => said.push(text) > 0);
  try {
    const verb = { summary: 'says it', declare: () => undefined, run };
    await runVerb<typeof verb, ReadHost>({
      command: 'test',
      argv: [],
      load: () => Promise.resolve({ verb }),
      hostOf: ({ signal }) => Promise.resolve({ signal, paths: new Paths('/s', '/r') } as ReadHost),
    });
  } finally {
    write.mock.restore();
    for (const [i, signal] of SIGNALS.entries())
      for (const listener of process.listeners(signal))
        if (!heard[i]?.includes(listener)) process.removeListener(signal, listener);
  }
  return said;
}

test('what a guest says moves no cursor, also in words beside the error', async () => {
  const said = await saidBy(({ out }) => {
    out.note('a\u001b[2J\u009bm\tb\nc\r');
    return Promise.resolve(0);
  });
  assert.ok(said.includes('a\\u001b[2J\\u009bm\tb\nc\\u000d\n'), JSON.stringify(said));
});

test('who is interrupted while Node itself waits is told of the signal', async () => {
  const said = await saidBy(async ({ host }) => {
    const waiting = setTimeout(60_000, undefined, { signal: host.signal });
    process.emit('SIGHUP');
    await waiting;
    return 0;
  });
  assert.ok(said.includes('test: interrupted by SIGHUP\n'), JSON.stringify(said));
});
