import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { openWithoutLinks } from '../../../src/host/open-beneath.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const { O_RDONLY } = fs.constants;

test('a file is opened by its real path only', (t) => {
  const directory = fs.realpathSync(temporaryDirectory(t));
  fs.mkdirSync(path.join(directory, 'a/b'), { recursive: true });
  fs.writeFileSync(path.join(directory, 'a/b/file'), 'content');
  fs.symlinkSync('a', path.join(directory, 'link'));
  fs.symlinkSync('file', path.join(directory, 'a/b/alias'));
  const descriptors = (): number => fs.readdirSync('/proc/self/fd').length;
  const before = descriptors();
  const fd = openWithoutLinks(path.join(directory, 'a/b/file'), O_RDONLY);
  assert.equal(fs.readFileSync(fd, 'utf8'), 'content');
  fs.closeSync(fd);
  for (const name of ['link/b/file', 'a/b/alias', 'a/none', 'a/b/file/x'])
    assert.throws(() => openWithoutLinks(path.join(directory, name), O_RDONLY), name);
  assert.equal(descriptors(), before);
});
