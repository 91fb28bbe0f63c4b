import assert from 'node:assert/strict';
import { test } from 'node:test';
import { customizeLog } from '../../../src/image/customize-log.ts';

test('steps are reported, facts are kept, and the rest of a build’s output is dropped', () => {
  const lines: string[] = [];
  const log = customizeLog((line) => lines.push(line));
  for (const line of [
    'I: installing',
    '@step cleaning up\r',
    '@package a 1.0',
    '@os debian-12',
    'noise',
  ])
    log.line(line);
  assert.deepEqual(lines, ['cleaning up']);
  assert.deepEqual(log.facts(), { os: 'debian-12', packages: ['a 1.0'] });
  assert.equal(log.failure(), undefined);
});

test('the first reason of a failure is kept, and a guest cannot write to the terminal with it', () => {
  const log = customizeLog(() => {});
  log.line('E: Unable to \u001b[31mlocate package');
  log.line('E: later');
  assert.equal(log.failure(), 'Unable to \\u001b[31mlocate package');
  log.line('@failed what customize.sh says comes before apt');
  assert.equal(log.failure(), 'what customize.sh says comes before apt');
});
