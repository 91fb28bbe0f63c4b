import * as fs from 'node:fs';
import { messageOf } from '../../../src/errors.ts';
import type { Sandbox } from '../sandbox.ts';
import { Bench } from './bench.ts';
import { runInjected } from './injected.ts';
import type { How } from './orders.ts';
import type { Scenario } from './scenarios.ts';

export interface Result {
  scenario: string;
  point: string;
  how: How;
  recovery: 'gc' | 'verb';
  /** How the command with the fault ended. */
  outcome: string;
  /** False when this run took another way than the one that told the points: a port was taken, say. */
  reached: boolean;
  seconds: number;
  /** Differences found; none is what is proved. */
  lines: string[];
}

export interface SweepOptions {
  /** Every so many of the cases, from the first on; 1 is all. */
  every: number;
  first?: number;
  hows?: readonly How[];
}

interface Case {
  scenario: Scenario;
  point: string;
  how: How;
  recovery: 'gc' | 'verb';
}

/** These may take as long as a disk is large: whoever has waited enough kills them. */
const SLOW = /^run (rm|qemu-img snapshot)/;

const HOWS: readonly How[] = ['kill', 'kill after', 'error', 'hang'];

/** Each scenario once to learn its points, then once for every point and fault. */
export async function sweep(
  scenarios: readonly Scenario[],
  sandboxes: readonly Sandbox[],
  { every, first: offset = 0, hows = HOWS }: SweepOptions,
): Promise<Result[]> {
  const benches = await Promise.all(sandboxes.map((sandbox) => Bench.make(sandbox)));
  const recorded = await inLanes(benches, scenarios, async (bench, scenario) => ({
    scenario,
    points: await record(bench, scenario),
  }));
  const cases = recorded.flatMap(({ scenario, points }) => casesOf(scenario, points));
  const chosen = cases
    .filter(({ how }) => hows.includes(how))
    .filter((_, index) => index % every === offset);
  return await inLanes(benches, chosen, attempt);
}

/** Each bench takes the next when it is done with one. */
async function inLanes<T, R>(
  benches: readonly Bench[],
  all: readonly T[],
  work: (bench: Bench, one: T) => Promise<R>,
): Promise<R[]> {
  const queue = [...all];
  const results: R[] = [];
  const lane = async (bench: Bench): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      results.push(await work(bench, next));
  };
  await Promise.all(benches.map(lane));
  return results;
}

function casesOf(scenario: Scenario, points: readonly string[]): Case[] {
  const cases: Case[] = [];
  for (const point of new Set(points))
    for (const how of HOWS.filter((one) => fits(one, point)))
      cases.push({ scenario, point, how, recovery: cases.length % 2 === 0 ? 'gc' : 'verb' });
  return cases;
}

async function record(bench: Bench, scenario: Scenario): Promise<string[]> {
  await bench.prepare(scenario);
  const { sandbox } = bench;
  const argv = scenario.argv(sandbox);
  const { code, stderr, points } = await runInjected(sandbox, argv);
  if (code !== 0) throw new Error(`${scenario.name} fails without a fault: ${stderr}`);
  const lines = await bench.judge(scenario, 'gc');
  if (lines.length > 0) throw new Error(`${scenario.name} without a fault: ${lines.join('; ')}`);
  return points;
}

/** A file operation neither hangs nor goes on behind the back of a process that has died. */
function fits(how: How, point: string): boolean {
  return /^(run|ask|connect) /.test(point)
    ? !(how === 'kill after' && point.startsWith('connect'))
    : how === 'kill' || how === 'error';
}

async function attempt(bench: Bench, one: Case): Promise<Result> {
  const result = await judged(bench, one);
  if (process.env.FAULTS_LOG !== undefined)
    fs.appendFileSync(process.env.FAULTS_LOG, `${JSON.stringify(result)}\n`);
  return result;
}

async function judged(bench: Bench, { scenario, point, how, recovery }: Case): Promise<Result> {
  const result = { scenario: scenario.name, point, how, recovery };
  const began = performance.now();
  const seconds = (): number => Math.round(performance.now() - began) / 1000;
  try {
    await bench.prepare(scenario);
    const fault = { point, how };
    const argv = scenario.argv(bench.sandbox);
    const end = await runInjected(bench.sandbox, argv, fault);
    const outcome = end.signal ?? (end.code === 0 ? 'done' : 'failed');
    if (how === 'kill after') await bench.settle(point);
    const lines = [...spoken(end.stderr, end.code), ...(await bench.judge(scenario, recovery))];
    if (end.ended === 'by SIGKILL' && !SLOW.test(point)) lines.push('it did not end by SIGTERM');
    return {
      ...result,
      outcome: `${outcome}, ended ${end.ended}`,
      reached: end.reached,
      seconds: seconds(),
      lines,
    };
  } catch (error) {
    const lines = [`the bench: ${messageOf(error)}`];
    return { ...result, outcome: 'unknown', reached: true, seconds: seconds(), lines };
  }
}

/** A failure is told in one line, without a stack trace. */
function spoken(stderr: string, code: number | null): string[] {
  if (/^\s+at /m.test(stderr)) return [`a stack trace: ${stderr.slice(0, 300)}`];
  return code === 1 && stderr.trim() === '' ? ['it failed without a word'] : [];
}
