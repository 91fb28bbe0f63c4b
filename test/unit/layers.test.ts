import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';

/** Imports point down only (docs/architecture.md): from a layer to itself or to a later line. */
const LAYERS = [
  ['cli'],
  ['root'],
  ['vm', 'metrics'],
  ['qmp', 'nbd', 'cgroups', 'net', 'systemd', 'image', 'store'],
  ['host'],
  ['errors.ts', 'types.ts'],
];
/** Inside this one the order of the two roots counts as well. */
const ROOTS = LAYERS.at(-1) ?? [];

const root = process.cwd();
const files = fs
  .readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'));

const imports = new Map(files.map((file) => [file, importsOf(file)]));

test('there is something to check', () => {
  assert.ok(files.length > 40, `${files.length} source files`);
  assert.ok([...imports.values()].flat().length > 100);
});

test('every source file belongs to a layer', () => {
  for (const file of files) assert.notEqual(layerOf(file), -1, `src/${file} is in no layer`);
});

test('imports point down, and layers of one line never import each other', () => {
  for (const [file, targets] of imports) {
    for (const target of targets) {
      const [from, to] = [layerOf(file), layerOf(target)];
      const same = area(file) === area(target) || (ROOTS.includes(area(file)) && from === to);
      assert.ok(from < to || same, `src/${file} imports src/${target}`);
    }
  }
});

test('no import goes round in a circle', () => {
  const done = new Set<string>();
  const visit = (file: string, trail: string[]): void => {
    assert.ok(
      !trail.includes(file),
      `circle: ${[...trail.slice(trail.indexOf(file)), file].join(' -> ')}`,
    );
    if (done.has(file)) return;
    for (const target of imports.get(file) ?? []) visit(target, [...trail, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test('Node modules are written with their prefix, and zod is the small one', () => {
  for (const file of files) {
    for (const [, name = ''] of text(file).matchAll(/(?:from |import\()'([^'.\n][^'\n]*)'/g)) {
      const known =
        name.startsWith('node:') ||
        ['zod/mini', 'execa', 'commander', 'yaml', 'systeminformation'].includes(name);
      assert.ok(known, `src/${file} imports ${name}`);
    }
  }
});

test('only the program bundle spawns processes through the modules made for it', () => {
  const spawners = files.filter((file) =>
    /'node:child_process'|import\('execa'\)/.test(text(file)),
  );
  assert.deepEqual(spawners.sort(), [
    'host/exec.ts',
    'host/lock.ts',
    'root/split.ts',
    'store/helper-client.ts',
    'vm/launch.ts',
  ]);
});

function text(file: string): string {
  return fs.readFileSync(path.join(root, 'src', file), 'utf8');
}

function importsOf(file: string): string[] {
  return [...text(file).matchAll(/(?:from |import\()'(\.[^'\n]*\.ts)'/g)].map(([, target = '']) =>
    path.normalize(path.join(path.dirname(file), target)),
  );
}

function area(file: string): string {
  return file.split('/')[0] ?? '';
}

function layerOf(file: string): number {
  return LAYERS.findIndex((layer) => layer.includes(area(file)));
}
