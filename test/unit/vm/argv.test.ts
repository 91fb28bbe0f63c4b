import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { type QemuLaunch, qemuArgv } from '../../../src/vm/argv.ts';

/**
 * Golden files: NAME.json is the spec, NAME.argv the command line, an option and its value on one line.
 * UPDATE_GOLDEN=1 writes them anew; read the difference before committing it.
 */
const GOLDEN = path.join(process.cwd(), 'test/unit/vm/golden');
const specs = fs.readdirSync(GOLDEN).filter((file) => file.endsWith('.json'));

test('there are golden files for both accelerators and both networks', () => {
  const all = specs.map(read);
  assert.deepEqual(new Set(all.map((spec) => spec.accel)), new Set(['kvm', 'tcg']));
  assert.deepEqual(new Set(all.map((spec) => spec.network.kind)), new Set(['tap', 'user']));
});

for (const file of specs) {
  test(`the command line of ${file} is as pinned`, () => {
    const golden = path.join(GOLDEN, file.replace('.json', '.argv'));
    const lines = `${onePerLine(qemuArgv(read(file))).join('\n')}\n`;
    if (process.env.UPDATE_GOLDEN === '1') fs.writeFileSync(golden, lines);
    assert.equal(lines, fs.readFileSync(golden, 'utf8'));
  });
}

test('a comma in a path cannot end an option', () => {
  const spec = { ...read('tcg-user.json'), consoleLog: '/a,logfile=/etc/shadow' };
  assert.ok(
    qemuArgv(spec).some((word) => word.includes('logfile=/a,,logfile=/etc/shadow,logappend=on')),
  );
});

function read(file: string): QemuLaunch {
  return JSON.parse(fs.readFileSync(path.join(GOLDEN, file), 'utf8')) as QemuLaunch;
}

function onePerLine(argv: string[]): string[] {
  const lines: string[] = [];
  for (const word of argv) {
    const last = lines.at(-1);
    if (last === undefined || word.startsWith('-') || !last.startsWith('-') || last.includes(' '))
      lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
