import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { projectRoot, Running } from '../../support/program.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

/** The program, as it is before anything was compiled. @returns its file */
function copyProgram(directory: string): string {
  const program = path.join(directory, 'blockhost-qemu.cjs');
  fs.copyFileSync(path.join(projectRoot(), 'dist/blockhost-qemu.cjs'), program);
  return program;
}

test('the program runs with what was compiled before, without it, and with one that is no good', async (t) => {
  const directory = temporaryDirectory(t);
  const program = copyProgram(directory);
  const cache = path.join(directory, 'code-cache');
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
  assert.deepEqual(files.map((file) => file.split('-')[1]).sort(), [
    'acting',
    'commander',
    'execa',
    'looking',
    'systeminformation',
    'yaml',
  ]);
  await check('with');

  for (const file of files.map((name) => path.join(cache, name)))
    fs.truncateSync(file, Math.round(fs.statSync(file).size / 2));
  await check('cut off');

  for (const file of files) fs.writeFileSync(path.join(cache, file), 'damaged');
  await check('damaged');
  for (const file of files) fs.writeFileSync(path.join(cache, file), '');
  await check('empty');
});

test('a directory nobody can write to costs no more than the cache', async (t) => {
  const directory = temporaryDirectory(t);
  const program = copyProgram(directory);
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

test('a program that was cut off is told of in one line', async (t) => {
  const program = copyProgram(temporaryDirectory(t));
  fs.truncateSync(program, fs.statSync(program).size - 1000);
  const { code, stderr } = await new Running([process.execPath, program, '--version']).done;
  assert.deepEqual(
    [code, stderr],
    [1, `blockhost-qemu: ${program} is damaged; install it again\n`],
  );
});
