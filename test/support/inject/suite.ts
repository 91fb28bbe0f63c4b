import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { Random } from '../random.ts';
import { Sandbox } from '../sandbox.ts';
import { inNamespaces, isLane, runLane } from './lanes.ts';
import { BRIDGE_SCENARIOS, SCENARIOS } from './scenarios.ts';
import { type Result, sweep } from './sweep.ts';
import { findings, tableOf, writeTable } from './table.ts';

/** A fault at every so many of all points of all verbs that change something; 1 is each of them. */
export function faultSuite(name: string, every: number): void {
  const random = new Random();
  test(`faults at ${often(every)}: nothing lost, nothing left`, async (t) => {
    t.diagnostic(random.told);
    const sandboxes = await Promise.all(
      Array.from({ length: LANES }, () => Sandbox.make({ after }, { accel: 'tcg' })),
    );
    const first = random.below(every);
    const results = await sweep(SCENARIOS, sandboxes, { every, first });
    judge(t, name, results);
  });
}

/** The same for VMs on a bridge, and what stands in the kernel for them. */
export async function bridgeFaultSuite(name: string, every: number): Promise<void> {
  if (isLane()) return await runLane();
  const random = new Random();
  test(`faults at ${often(every)} of VMs on a bridge: no tap, rule or address is left`, async (t) => {
    t.diagnostic(random.told);
    const first = random.below(every);
    const results = await inNamespaces(BRIDGE_LANES, { every, first });
    judge(t, name, results);
    assert.deepEqual(
      [...new Set(results.map(({ scenario }) => scenario))].sort(),
      BRIDGE_SCENARIOS.map((one) => one.name).sort(),
    );
  });
}

/** Most of a case's time is waiting for processes to end. */
const LANES = 5;
const BRIDGE_LANES = 5;

function often(every: number): string {
  return every === 1 ? 'every point' : `one point in ${every}`;
}

function judge(t: TestContext, name: string, results: readonly Result[]): void {
  writeTable(name, results);
  for (const line of tableOf(results).trimEnd().split('\n')) t.diagnostic(line);
  const missed = results.filter(({ reached }) => !reached).length;
  assert.ok(results.length > 20 && missed < results.length * 0.05, `${missed} not reached`);
  assert.deepEqual(findings(results), []);
}
