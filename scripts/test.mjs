// Runs test levels: node scripts/test.mjs unit|integration|e2e|more|soak|vagrant|lab ... [-- pattern ...]
// Each *.test.ts is bundled by esbuild and run by node's own test runner. Prints failures in full, tells each again in
// short at the end, whose last line is "N passed, N failed"; a skipped or an absent test is a failure in CI.
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { build } from 'esbuild';
import { buildProgram } from './build.mjs';

const root = path.join(path.dirname(new URL(import.meta.url).pathname), '..');
const out = path.join(root, 'build', 'test');
const split = process.argv.indexOf('--');
const levels = process.argv.slice(2, split === -1 ? undefined : split);
const patterns = split === -1 ? [] : process.argv.slice(split + 1);

/** How many test files run at once, and how long one file may take. */
const LEVELS = {
  // Those in one directory share a process: most are done sooner than Node has started. Some wait most of their time.
  unit: { concurrency: 2 * os.availableParallelism(), timeoutMs: 60_000, together: true },
  integration: { concurrency: os.availableParallelism(), timeoutMs: 600_000 },
  e2e: { concurrency: 1, timeoutMs: 900_000 },
  // Figures that take their time, packages, pages in a browser, BlockHost's database under stress.
  more: { concurrency: os.availableParallelism(), timeoutMs: 900_000 },
  // Faults at every point, and random verbs for a long time.
  soak: { concurrency: 1, timeoutMs: 3_600_000 },
  vagrant: { concurrency: os.availableParallelism(), timeoutMs: 600_000 },
  // Those below test/lab/inside run in a lab host each: docs/lab.md.
  lab: { concurrency: os.availableParallelism(), timeoutMs: 1_200_000, inside: 'inside' },
};

// Above the unit level tests run the program as it is installed.
if (levels.some((level) => level !== 'unit')) await buildProgram();

const total = { pass: 0, fail: 0, skip: 0, failures: [] };
for (const level of levels) {
  const settings = LEVELS[level];
  if (settings === undefined)
    throw new Error(`unknown test level ${level}; there are ${Object.keys(LEVELS).join(', ')}`);
  const began = Date.now();
  const files = await compile(level, settings);
  const counts = await runFiles(files, settings);
  total.pass += counts.pass;
  total.fail += counts.fail;
  total.skip += counts.skip;
  total.failures.push(...counts.failures);
  console.log(
    `${level}: ${counts.pass} passed, ${counts.fail} failed in ${((Date.now() - began) / 1000).toFixed(1)} s`,
  );
}
if (total.skip > 0) {
  console.log(`${total.skip} skipped: a test that cannot run here counts as failed`);
  total.fail += total.skip;
}
if (total.pass + total.fail === 0) {
  console.log('no test was run');
  total.fail = 1;
}
addEarlier(total);
for (const failure of total.failures) console.log(failure);
console.log(`${total.pass} passed, ${total.fail} failed`);
process.exitCode = total.fail === 0 ? 0 : 1;

/** Several runs that belong together tell of all of them in their last line: TEST_TOTALS names their file. */
function addEarlier(counts) {
  const file = process.env.TEST_TOTALS;
  if (file === undefined) return;
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  const earlier = text === '' ? {} : JSON.parse(text);
  counts.pass += earlier.pass ?? 0;
  counts.fail += earlier.fail ?? 0;
  counts.failures.unshift(...(earlier.failures ?? []));
  const { pass, fail, failures } = counts;
  fs.writeFileSync(file, JSON.stringify({ pass, fail, failures }));
}

async function compile(level, { inside, together }) {
  const base = path.join(root, 'test', level);
  const names = fs
    .readdirSync(base, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .filter((name) => patterns.length === 0 || patterns.some((p) => name.includes(p)))
    .sort();
  const outdir = path.join(out, level);
  fs.rmSync(outdir, { recursive: true, force: true });
  if (names.length === 0) return [];
  const tools = inside === undefined ? [] : ['host/reporter.ts', 'host/inside.ts'];
  await build({
    entryPoints: [...names, ...tools].map((name) => path.join('test', level, name)),
    outdir,
    outbase: path.join('test', level),
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    sourcemap: 'inline',
    logLevel: 'warning',
    define: { PROGRAM_VERSION: '"0.0.0-test"' },
  });
  const compiled = names.map((name) => name.replace(/\.ts$/, '.mjs'));
  if (together) return byDirectory(outdir, compiled);
  return compiled.map((name) =>
    name.startsWith(`${inside}/`) ? stub(outdir, name) : path.join(outdir, name),
  );
}

/** One file for each directory, which imports all of its files; the largest first, so that none is waited for alone. */
function byDirectory(outdir, names) {
  const directories = new Map();
  for (const name of names) {
    const [directory] = path.dirname(name).split('/');
    directories.set(directory, [...(directories.get(directory) ?? []), name]);
  }
  fs.mkdirSync(path.join(outdir, 'together'), { recursive: true });
  return [...directories]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([directory, members]) => {
      const file = path.join(outdir, 'together', `${directory}.mjs`);
      fs.writeFileSync(file, members.map((name) => `import '../${name}';\n`).join(''));
      return file;
    });
}

/** What is run here for a file that is to run inside. */
function stub(outdir, name) {
  const file = path.join(outdir, 'stubs', name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const runner = path.relative(path.dirname(file), path.join(outdir, 'host', 'inside.mjs'));
  fs.writeFileSync(file, `import { runInside } from '${runner}';\nawait runInside('${name}');\n`);
  return file;
}

function runFiles(files, { concurrency, timeoutMs }) {
  const counts = { pass: 0, fail: 0, skip: 0, failures: [] };
  if (files.length === 0) return counts;
  return new Promise((resolve) => {
    const stream = run({ files, concurrency, timeout: timeoutMs });
    stream.on('test:pass', (data) => {
      if (data.skip !== undefined || data.todo !== undefined) counts.skip += 1;
      else if (data.details?.type !== 'suite') counts.pass += 1;
    });
    stream.on('test:fail', (data) => {
      counts.fail += 1;
      counts.failures.push(inShort(data));
    });
    const report = stream.compose(new spec());
    report.on('end', () => resolve(counts));
    report.pipe(process.stdout, { end: false });
  });
}

function inShort({ name, file, line, details }) {
  const { error } = details;
  const text = String(error.cause?.message ?? error.cause ?? error.message);
  const where = file === undefined ? '' : ` (${path.relative(out, file)}:${line})`;
  const lines = text.split('\n').slice(0, 8).join('\n    ');
  return `failed: ${name}${where}\n    ${lines.slice(0, 1500)}`;
}
