import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Random } from '../random.ts';
import { Sandbox } from '../sandbox.ts';
import { SCENARIOS } from './scenarios.ts';
import { sweep } from './sweep.ts';
import { findings, tableOf, writeTable } from './table.ts';

/** A fault at every so many of all points of all verbs that change something; 1 is each of them. */
export function faultSuite(name: string, every: number): void {
  const random = new Random();
  test(`faults at ${every === 1 ? 'every point' : `one point in ${every}`}: nothing lost, nothing left`, async (t) => {
    t.diagnostic(random.told);
    const sandboxes = await Promise.all(
      Array.from({ length: LANES }, () => Sandbox.make({ after }, { accel: 'tcg' })),
    );
    const first = random.below(every);
    const results = await sweep(SCENARIOS, sandboxes, { every, first });
    writeTable(name, results);
    for (const line of tableOf(results).trimEnd().split('\n')) t.diagnostic(line);
    const missed = results.filter(({ reached }) => !reached).length;
    assert.ok(results.length > 20 && missed < results.length * 0.05, `${missed} not reached`);
    assert.deepEqual(findings(results), []);
  });
}

/** Most of a case's time is waiting for processes to end. */
const LANES = 5;
