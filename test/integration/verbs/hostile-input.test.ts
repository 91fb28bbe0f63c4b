import assert from 'node:assert/strict';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { hostileLine } from '../../support/bad-input/hostile.ts';
import { wrongEnd } from '../../support/bad-input/wrong-end.ts';
import { driverFile } from '../../support/bundle-driver.ts';
import { listing } from '../../support/leftovers.ts';
import { Running } from '../../support/program.ts';
import { Random } from '../../support/random.ts';
import { Sandbox } from '../../support/sandbox.ts';

const CASES = 6000;
const WORKERS = 2;

const sandbox = await Sandbox.make({ after }, { accel: 'tcg' });
const folder = path.dirname(sandbox.state);
const random = new Random();

/** The state directory and its locks may have been made, but nothing in them. */
const untouched = (): string[] =>
  listing(folder).filter((line) => !/^(s|s\/locks|s\/run|s\/metrics) /.test(line));

test(`${CASES} hostile command lines: a line each, no trace, nothing changed`, async (t) => {
  t.diagnostic(random.told);
  const before = untouched();
  const file = await driverFile('bad-input/driver');
  const ends = await Promise.all(
    Array.from({ length: WORKERS }, (_, i) => {
      const args = [String(random.seed + i), String(CASES / WORKERS)];
      return new Running([process.execPath, file, ...args], { env: sandbox.env, cwd: folder }).done;
    }),
  );
  for (const { code, stdout, stderr } of ends) {
    assert.equal(code, 0, stderr);
    const lines = stdout.trimEnd().split('\n');
    const counts = JSON.parse(lines.pop() ?? '{}');
    t.diagnostic(JSON.stringify(counts));
    assert.deepEqual(lines.slice(0, 5), []);
    assert.ok(counts.codes[1] > (CASES / WORKERS) * 0.6, 'hardly any of them was wrong');
  }
  assert.deepEqual(untouched(), before);
});

test('some of them by the real program', async (t) => {
  t.diagnostic(random.told);
  const before = untouched();
  for (let i = 0; i < 40; i++) {
    const { verb, args } = hostileLine(random);
    const end = await sandbox.run(PROGRAMS.has(verb) ? verb : 'stop', args, { cwd: folder });
    assert.equal(wrongEnd(verb, end.code, end), undefined, JSON.stringify({ verb, args, end }));
  }
  assert.deepEqual(untouched(), before);
});

/** Verbs with a command of their own. */
const PROGRAMS = new Set(['create', 'destroy', 'start', 'kill', 'throttle', 'snapshot', 'export']);
