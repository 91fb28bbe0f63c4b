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
  seconds: number;
  /** Differences found; none is what is proved. */
  lines: string[];
}

export interface SweepOptions {
  /** Every so many of them; 1 is all. */
  every: number;
  hows: readonly How[];
  /** Sandboxes that work at once. */
  lanes: number;
}

interface Case {
  scenario: Scenario;
  point: string;
  how: How;
  recovery: 'gc' | 'verb';
}

/** Each scenario once to learn its points, then once for every point and fault. */
export async function sweep(
  scenarios: readonly Scenario[],
  sandboxes: readonly Sandbox[],
  { every, hows }: Omit<SweepOptions, 'lanes'>,
): Promise<Result[]> {
  const benches = await Promise.all(sandboxes.map((sandbox) => Bench.make(sandbox)));
  const [first] = benches;
  if (first === undefined) throw new Error('a sweep needs a sandbox');
  const cases: Case[] = [];
  for (const scenario of scenarios) {
    const points = await record(first, scenario);
    for (const point of new Set(points)) {
      for (const how of hows.filter((one) => fits(one, point)))
        cases.push({ scenario, point, how, recovery: cases.length % 2 === 0 ? 'gc' : 'verb' });
    }
  }
  const chosen = cases.filter((_, index) => index % every === 0);
  const results: Result[] = [];
  await Promise.all(
    benches.map(async (bench) => {
      for (let next = chosen.shift(); next !== undefined; next = chosen.shift()) {
        const result = await attempt(bench, next);
        results.push(result);
        if (process.env.PROG)
          (await import('node:fs')).appendFileSync(
            process.env.PROG,
            `${results.length}/${results.length + chosen.length} ${result.seconds} ${result.scenario}: ${result.how} at ${result.point} (${result.outcome}; ${result.recovery}) ${result.lines.join('; ')}\n`,
          );
      }
    }),
  );
  return results;
}

/** The second time: what is made once and stays is no point any more. */
async function record(bench: Bench, scenario: Scenario): Promise<string[]> {
  await once(bench, scenario);
  return await once(bench, scenario);
}

async function once(bench: Bench, scenario: Scenario): Promise<string[]> {
  await bench.prepare(scenario);
  const { code, stderr, points } = await runInjected(bench.sandbox, scenario.argv(bench.sandbox));
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

async function attempt(bench: Bench, { scenario, point, how, recovery }: Case): Promise<Result> {
  const result = { scenario: scenario.name, point, how, recovery };
  const began = performance.now();
  const seconds = (): number => Math.round(performance.now() - began) / 1000;
  try {
    await bench.prepare(scenario);
    const fault = { point, how };
    const end = await runInjected(bench.sandbox, scenario.argv(bench.sandbox), fault);
    const outcome = end.signal ?? (end.code === 0 ? 'done' : 'failed');
    const lines = [...spoken(end.stderr, end.code), ...(await bench.judge(scenario, recovery))];
    if (!end.reached) lines.push('the point was not reached');
    if (end.ended === 'by SIGKILL') lines.push('it did not end by SIGTERM');
    return { ...result, outcome: `${outcome}, ended ${end.ended}`, seconds: seconds(), lines };
  } catch (error) {
    const lines = [`the bench: ${messageOf(error)}`];
    return { ...result, outcome: 'unknown', seconds: seconds(), lines };
  }
}

/** A failure is told in one line, without a stack trace. */
function spoken(stderr: string, code: number | null): string[] {
  if (/^\s+at /m.test(stderr)) return [`a stack trace: ${stderr.slice(0, 300)}`];
  return code === 1 && stderr.trim() === '' ? ['it failed without a word'] : [];
}
