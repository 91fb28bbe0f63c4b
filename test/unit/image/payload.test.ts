import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { writePayload } from '../../../src/image/payload.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

test('packages are copied, and named with the digests of what was copied', async (t) => {
  const root = temporaryDirectory(t);
  const packagesDir = path.join(root, 'packages');
  const payload = path.join(root, 'payload');
  fs.mkdirSync(packagesDir);
  fs.mkdirSync(payload);
  fs.writeFileSync(path.join(packagesDir, 'one.deb'), 'first');
  fs.writeFileSync(path.join(packagesDir, 'README'), 'no package');
  const files = await writePayload(payload, { tune: false, packagesDir, requirePackages: true });
  assert.deepEqual(files, { 'one.deb': createHash('sha256').update('first').digest('hex') });
  assert.deepEqual(fs.readdirSync(path.join(payload, 'packages')), ['one.deb']);
  fs.symlinkSync('/etc/passwd', path.join(packagesDir, 'two.deb'));
  await assert.rejects(
    writePayload(path.join(root, 'other'), { tune: false, packagesDir, requirePackages: true }),
    /two\.deb cannot be read/,
  );
});
