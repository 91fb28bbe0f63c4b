import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinUserData } from '../../../src/image/user-data-parts.ts';

test('one piece stays as it is', () => {
  assert.equal(joinUserData(['#cloud-config\n{}\n']), '#cloud-config\n{}\n');
});

test('several pieces become a MIME archive, each with the type cloud-init knows it by', () => {
  const pieces = ['#cloud-config\npackages: [jq]\n', '#!/bin/sh\necho ü\n', 'plain'];
  const lines = joinUserData(pieces).split('\r\n');
  const boundary = /boundary="([^"]+)"/.exec(lines[0] ?? '')?.[1] ?? '';
  const found = lines
    .join('\n')
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => part.trim().split('\n\n'));
  assert.deepEqual(
    found.map(([head]) => head?.split('\n')[0]),
    [
      'Content-Type: text/cloud-config; charset="utf-8"',
      'Content-Type: text/x-shellscript; charset="utf-8"',
      'Content-Type: text/plain; charset="utf-8"',
    ],
  );
  assert.deepEqual(
    found.map(([, body = '']) => Buffer.from(body, 'base64').toString()),
    pieces,
  );
});
