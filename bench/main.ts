import * as fs from 'node:fs';
import * as path from 'node:path';
import { createRows } from './create.ts';
import { overheadRows } from './overhead.ts';
import { printTable, type Row } from './row.ts';
import { samplerRows } from './sampler.ts';
import { scaleRows } from './scale.ts';
import { throttleRows } from './throttle.ts';
import { verbRows } from './verbs.ts';

/** Every group measures both of its sides in turns within this one run: the machine may be shared. */
const GROUPS: Record<string, () => Promise<Row[]>> = {
  verbs: verbRows,
  overhead: overheadRows,
  sampler: samplerRows,
  scale: scaleRows,
  throttle: throttleRows,
  create: createRows,
};

const wanted = process.argv.slice(2);
const rows: Row[] = [];
for (const [name, measure] of Object.entries(GROUPS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stderr.write(`measuring: ${name}\n`);
  rows.push(...(await measure()));
}
printTable(rows);
const file = path.join(process.cwd(), 'build', 'bench.json');
fs.mkdirSync(path.dirname(file), { recursive: true });
fs.writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`);
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;
