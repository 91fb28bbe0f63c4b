import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod/mini';
import {
  describeTemplate,
  isTemplateId,
  TemplateManifest,
} from '../../../src/image/template-manifest.ts';

const facts = {
  label: 'debian-12',
  sha256: 'ab'.repeat(32),
  virtualSize: 1024 * 1024,
  source: {
    kind: 'bootstrap' as const,
    suite: 'bookworm',
    mirrors: ['http://mirror.example/debian'],
  },
  os: 'debian-12',
  packages: ['libpam-web3 0.5.0'],
  packageFiles: { 'libpam-web3_0.5.0_amd64.deb': 'cd'.repeat(32) },
  defaultUser: 'admin',
  tuned: true,
};

test('the id says what it is and names the content', () => {
  const manifest = describeTemplate(facts, new Date(0));
  assert.equal(manifest.id, 'debian-12-abababababab');
  assert.ok(isTemplateId(manifest.id));
  assert.deepEqual(z.parse(TemplateManifest, JSON.parse(JSON.stringify(manifest))), manifest);
});

test('an id is one path component and nothing else', () => {
  for (const bad of [
    '',
    'current',
    '..',
    'a/b-abababababab',
    '-abababababab',
    'debian-12-ABABABABABAB',
  ])
    assert.ok(!isTemplateId(bad), bad);
});

test('a manifest of a version to come is not taken for one of today', () => {
  const manifest = { ...describeTemplate(facts, new Date(0)), version: 2 };
  assert.ok(!z.safeParse(TemplateManifest, manifest).success);
});
