import * as fs from 'node:fs';
import * as path from 'node:path';
import { projectRoot } from '../program.ts';
import type { Result } from './sweep.ts';

/** Writes build/faults-NAME.json with every case, and build/faults-NAME.md with a row for each verb. */
export function writeTable(name: string, results: readonly Result[]): void {
  const folder = path.join(projectRoot(), 'build');
  fs.mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `faults-${name}`);
  fs.writeFileSync(`${file}.json`, `${JSON.stringify(results, null, 1)}\n`);
  fs.writeFileSync(`${file}.md`, tableOf(results));
}

export function tableOf(results: readonly Result[]): string {
  const verbs = [...new Set(results.map(({ scenario }) => scenario))];
  const rows = verbs.map((verb) => {
    const own = results.filter(({ scenario }) => scenario === verb);
    const count = (how: string): number => own.filter((one) => one.how === how).length;
    const points = new Set(own.map(({ point }) => point)).size;
    const bad = own.filter(({ lines }) => lines.length > 0).length;
    const hows = ['kill', 'kill after', 'error', 'hang'].map(count);
    const missed = own.filter(({ reached }) => !reached).length;
    return `| ${[verb, points, ...hows, missed, bad].join(' | ')} |`;
  });
  const head =
    '| verb | points | kill before | kill after | error | hang | not reached | differences |';
  return [head, '|---|---|---|---|---|---|---|---|', ...rows, ''].join('\n');
}

/** A line for every case that found something. */
export function findings(results: readonly Result[]): string[] {
  return results
    .filter(({ lines }) => lines.length > 0)
    .map(
      ({ scenario, how, point, recovery, outcome, lines }) =>
        `${scenario}: ${how} at ${point} (${outcome}; then ${recovery}): ${lines.join('; ')}`,
    );
}
