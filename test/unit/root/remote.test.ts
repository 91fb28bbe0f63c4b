import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusyError, InputError, NotFoundError } from '../../../src/errors.ts';
import { Paths } from '../../../src/host/paths.ts';
import { remoteRoot, type Transport } from '../../../src/root/remote.ts';
import { parseVmName } from '../../../src/types.ts';
import type { RootContext } from '../../../src/vm/host.ts';
import { UndoError } from '../../../src/vm/steps.ts';

const name = parseVmName('web1');
const said: string[] = [];
const context = {
  paths: new Paths('/s', '/r'),
  report: (line: string) => said.push(line),
  verbose: () => undefined,
  signal: new AbortController().signal,
} as unknown as RootContext;

const done = (result: unknown, notes: string[] = []): unknown => ({
  ok: true,
  result,
  notes,
  details: [],
});

test('a long wait for the end of QEMU is many short requests', async () => {
  const waits: number[] = [];
  const transport: Transport = (request, params) => {
    assert.equal(request, 'vm-stop');
    const { wait_ms } = params as { wait_ms: number };
    waits.push(wait_ms);
    return Promise.resolve(done({ ran: waits.length === 1, gone: waits.length === 3 }));
  };
  const root = remoteRoot(transport, context);
  const ended = await root.end({ name, how: 'quit', wait_ms: 60_000 });
  assert.deepEqual(ended, { ran: true, gone: true });
  assert.equal(waits.length, 3);
  assert.ok(waits.every((ms) => ms <= 500));
});

test('a deadline ends the waiting', async () => {
  const root = remoteRoot(() => Promise.resolve(done({ ran: true, gone: false })), context);
  assert.deepEqual(await root.end({ name, how: 'kill', wait_ms: 0 }), { ran: true, gone: false });
});

test('what the root side notes is told', async () => {
  const transport = (): Promise<unknown> =>
    Promise.resolve(done({ outcome: 'started' }, ['TCG: slow']));
  await remoteRoot(transport, context).start({ name });
  assert.deepEqual(said, ['TCG: slow']);
});

test('errors keep their kind, hint and detail', async () => {
  for (const [kind, type] of [
    ['input', InputError],
    ['not-found', NotFoundError],
    ['undo', UndoError],
  ] as const) {
    const refusal = { ok: false, error: 'no', hint: 'do', detail: 'long', kind };
    const root = remoteRoot(() => Promise.resolve(refusal), context);
    await assert.rejects(root.start({ name }), (error) => {
      assert.ok(error instanceof type, kind);
      assert.deepEqual([error.message, error.hint, error.detail], ['no', 'do', 'long']);
      return true;
    });
  }
});

test('a request that is under way is waited for', async () => {
  let calls = 0;
  const transport = (): Promise<unknown> =>
    Promise.resolve(
      ++calls < 3 ? { ok: false, error: 'busy', kind: 'busy' } : done({ outcome: 'started' }),
    );
  await remoteRoot(transport, context).start({ name });
  assert.equal(calls, 3);
  assert.ok(new BusyError('x') instanceof Error);
});

test('an answer that is no reply, or has another shape, is an error', async () => {
  for (const reply of [null, 'x', {}, { ok: true }, done({ outcome: 'flying' }), { ok: false }]) {
    const root = remoteRoot(() => Promise.resolve(reply), context);
    await assert.rejects(root.start({ name }), /is not as expected/);
  }
});
