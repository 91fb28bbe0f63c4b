import * as assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { AgentClient } from '../../../src/qmp/agent/client.ts';
import { AgentError } from '../../../src/qmp/agent/errors.ts';
import { agentResults } from '../../../src/qmp/agent/results.ts';
import { QmpClient } from '../../../src/qmp/client.ts';
import { commandResults } from '../../../src/qmp/commands/results.ts';
import { QmpError } from '../../../src/qmp/errors.ts';
import { importEvent } from '../../../src/qmp/events.ts';
import { importShape, type Schema } from '../../../src/qmp/transport/import.ts';
import { LineReader } from '../../../src/qmp/transport/line-reader.ts';
import { parseMessage } from '../../../src/qmp/transport/message.ts';
import { serve, serveAgent } from './fixture.ts';
import { Generator } from './generator.ts';

const seed = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
const limits = { timeout: 30_000 };

test('any bytes come through the line reader as the lines they are', limits, (t) => {
  t.diagnostic(`FUZZ_SEED=${seed}`);
  const random = new Generator(seed);
  for (let round = 0; round < 8000; round++) {
    const input = random.stream();
    const lines: string[] = [];
    let tooLong = 0;
    const reader = new LineReader(
      {
        onLine: (line) => {
          assert.ok(line.length <= 64);
          parseMessage(line);
          lines.push(line.toString('latin1'));
        },
        onTooLong: () => {
          tooLong += 1;
        },
      },
      { maxLineBytes: 64, ...(random.chance(0.5) ? { mark: 0xff } : {}) },
    );
    for (const piece of random.slices(input)) reader.push(piece);
    if (tooLong === 0 && !input.includes(0xff)) {
      const whole = input.toString('latin1').split('\n').slice(0, -1);
      assert.equal(lines.join('\n'), whole.filter((line) => line !== '').join('\n'));
    }
  }
});

test('any value comes through every importer as a result or a one-line mismatch', limits, (t) => {
  t.diagnostic(`FUZZ_SEED=${seed}`);
  const random = new Generator(seed);
  const schemas: Schema[] = [
    ...Object.values(commandResults).map((make) => make()),
    ...Object.values(agentResults),
  ];
  for (let round = 0; round < 12_000; round++) {
    const schema = random.pick(schemas);
    const value = random.value(4);
    const imported = importShape(schema, value);
    if ('mismatch' in imported) assert.match(imported.mismatch, /^\P{C}{1,400}$/u);
    importEvent(random.pick(['SHUTDOWN', 'RESET', 'BLOCK_IO_ERROR', 'X']), {
      data: value,
      timestamp: random.value(2),
    });
  }
});

test('a guest that answers anything at all gets a result or an AgentError', limits, async (t) => {
  t.diagnostic(`FUZZ_SEED=${seed}`);
  const random = new Generator(seed);
  const fake = await serveAgent(t);
  const names = ['guest-get-fsinfo', 'guest-get-osinfo', 'guest-network-get-interfaces'] as const;
  for (const name of names)
    fake.on(name, ({ id, line }) => {
      if (random.chance(0.3)) line.raw(random.stream());
      const reply: Record<string, unknown> = { id: random.chance(0.9) ? id : random.value(1) };
      reply[random.chance(0.8) ? 'return' : 'error'] = random.value(4);
      line.raw(`\n${JSON.stringify(reply)}\n`);
      // The true id at the end in every case, so that no round has to wait for its deadline.
      return {};
    });
  for (let round = 0; round < 30; round++) {
    const agent = await AgentClient.open(fake.path);
    const calls = names.flatMap((name) => Array.from({ length: 10 }, () => agent.execute(name)));
    for (const call of await Promise.allSettled(calls))
      if (call.status === 'rejected') assert.ok(call.reason instanceof AgentError, call.reason);
    agent.close();
  }
});

test('a monitor that says anything at all gets a result or a QmpError', limits, async (t) => {
  t.diagnostic(`FUZZ_SEED=${seed}`);
  const random = new Generator(seed);
  const fake = await serve(t);
  fake.on('query-chardev', ({ id, connection }) => {
    if (random.chance(0.3)) connection.raw(random.stream());
    const reply = random.chance(0.7) ? { return: random.value(3), id } : random.value(3);
    connection.raw(`\n${JSON.stringify(reply)}\n`);
    return [];
  });
  for (let round = 0; round < 120; round++) {
    const qmp = await QmpClient.connect(fake.path, { maxLineBytes: 2000 });
    const [result] = await Promise.allSettled([qmp.execute('query-chardev')]);
    if (result?.status === 'rejected') assert.ok(result.reason instanceof QmpError, result.reason);
    qmp.close();
  }
});
