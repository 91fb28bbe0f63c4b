import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { projectRoot, Running } from '../../support/program.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const FILE = 'blockhost-qemu.cjs';

test('the program runs with what was compiled before, without it, and with one that is no good', async (t) => {
  const directory = temporaryDirectory(t);
  const program = path.join(directory, FILE);
  const cache = path.join(directory, 'code-cache');
  fs.copyFileSync(path.join(projectRoot(), 'dist', FILE), program);
  const env = { BLOCKHOST_QEMU_STATE_DIR: path.join(directory, 'state') };
  const check = async (what: string): Promise<void> => {
    const looks = await new Running([process.execPath, program, 'status', 'web1'], { env }).done;
    assert.deepEqual([looks.code, looks.stdout, looks.stderr], [0, 'unknown\n', ''], what);
    const acts = await new Running([process.execPath, program, 'kill', 'web1'], { env }).done;
    assert.deepEqual([acts.code, acts.stdout], [1, ''], what);
    assert.match(acts.stderr, /^blockhost-qemu kill: VM web1 does not exist; .*\n$/, what);
  };
  await check('without');
  assert.equal(fs.existsSync(cache), false, 'an ordinary run writes nothing beside the program');

  const written = await new Running([process.execPath, program, '--write-code-cache'], { env })
    .done;
  assert.equal(written.code, 0, written.stderr);
  const files = fs.readdirSync(cache);
  assert.deepEqual(files.map((file) => file.split('-')[1]).sort(), ['acting', 'looking']);
  await check('with');

  for (const file of files) fs.writeFileSync(path.join(cache, file), 'damaged');
  await check('damaged');
  for (const file of files) fs.writeFileSync(path.join(cache, file), '');
  await check('empty');
});

test('a directory nobody can write to costs no more than the cache', async (t) => {
  const directory = temporaryDirectory(t);
  const program = path.join(directory, FILE);
  fs.copyFileSync(path.join(projectRoot(), 'dist', FILE), program);
  fs.writeFileSync(
    path.join(directory, 'code-cache'),
    'a file in its place, which root cannot pass either',
  );
  const state = path.join(directory, 'state');
  const env = { BLOCKHOST_QEMU_STATE_DIR: state };
  const { code, stdout } = await new Running([process.execPath, program, 'status', 'web1'], { env })
    .done;
  assert.deepEqual([code, stdout], [0, 'unknown\n']);
});
