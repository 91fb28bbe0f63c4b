import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { writeSeed } from '../../../src/image/seed.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'seed-'));
after(() => fs.rmSync(folder, { recursive: true }));
const content = { userData: '#cloud-config\n{}\n', metaData: '{"a":1}\n', networkConfig: '{}\n' };

test('the seed is an ISO labelled cidata with the three files, private, and leaves nothing beside it', async () => {
  const file = path.join(folder, 'seed.iso');
  await writeSeed(file, content);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(fs.readdirSync(folder), ['seed.iso']);
  assert.match((await run('isoinfo', ['-d', '-i', file])).stdout, /^Volume id: cidata$/m);
  const { stdout } = await run('isoinfo', ['-R', '-f', '-i', file]);
  assert.deepEqual(stdout.split('\n').sort(), ['/meta-data', '/network-config', '/user-data']);
  const userData = await run('isoinfo', ['-R', '-x', '/user-data', '-i', file]);
  assert.equal(`${userData.stdout}\n`, content.userData);
});

test('a seed is replaced whole, with the mode and owner asked for', async () => {
  const file = path.join(folder, 'seed.iso');
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  await writeSeed(file, { ...content, userData: 'second' }, { mode: 0o640, owner });
  assert.equal(fs.statSync(file).mode & 0o777, 0o640);
  assert.equal((await run('isoinfo', ['-R', '-x', '/user-data', '-i', file])).stdout, 'second');
});

test('without a program to make ISOs the message says what to install, and nothing is left', async () => {
  const before = process.env.PATH;
  process.env.PATH = folder;
  try {
    await assert.rejects(writeSeed(path.join(folder, 'other.iso'), content), {
      hint: 'install genisoimage or xorriso',
    });
  } finally {
    process.env.PATH = before;
  }
  assert.deepEqual(fs.readdirSync(folder), ['seed.iso']);
});
