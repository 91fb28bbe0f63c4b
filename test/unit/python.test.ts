import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';

/** What is written in Python is tested in Python; each file is a test here. */
const directory = path.resolve('test/python');
const files = fs.readdirSync(directory).filter((name) => /^test_.*\.py$/.test(name));

test('there are tests in Python', () => {
  assert.ok(files.length > 0);
});

for (const file of files) {
  test(`python: ${file}`, () => {
    const { status, stderr, error } = spawnSync(
      '/usr/bin/python3',
      ['-B', path.join(directory, file)],
      {
        encoding: 'utf8',
        env: { ...process.env, PYTHONPATH: path.resolve('python') },
      },
    );
    assert.equal(error, undefined);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^Ran [1-9]\d* tests?/m);
    assert.doesNotMatch(stderr, /skipped/);
  });
}
