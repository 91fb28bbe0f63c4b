import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';

const page = fs.readFileSync('docs/contract.md', 'utf8');
const inBackticks = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text);

test('every test that docs/contract.md names is there', () => {
  const named = inBackticks.filter((text) =>
    /^((unit|integration|more|lab|e2e|support)\/|python\/test_)/.test(text),
  );
  assert.ok(named.length > 60, `${named.length} tests`);
  const missing = named.filter((name) => {
    const file = path.join('test', name);
    return ![file, `${file}.test.ts`, `${file}.ts`, `${file}.py`].some((each) =>
      fs.existsSync(each),
    );
  });
  assert.deepEqual(missing, []);
});

test('so is every file of the program', () => {
  const named = inBackticks.filter((text) => /^(src|python|systemd|hooks|debian)\//.test(text));
  const files = named.filter((text) => !/^python\/test_/.test(text));
  assert.ok(files.length > 30, `${files.length} files`);
  assert.deepEqual(
    files.filter((file) => !fs.existsSync(file)),
    [],
  );
});

test('every page it leads to is there', () => {
  const links = [...page.matchAll(/\]\(([^)#]+)\)/g)].map(([, target = '']) => target);
  assert.ok(links.length > 3);
  assert.deepEqual(
    links.filter((target) => !fs.existsSync(path.join('docs', target))),
    [],
  );
});
