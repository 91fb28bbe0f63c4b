import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

const FIELDS = [
  'Package: blockhost-setup',
  'Version: 1.2.3',
  'Architecture: all',
  'Maintainer: Test <test@example.org>',
  'Description: a test',
];

/** Puts a package with nothing in it into a directory, as one that BlockHost's guests get: blockhost-setup 1.2.3. */
export function guestPackage(directory: string): void {
  const tree = fs.mkdtempSync(path.join(os.tmpdir(), 'deb-'));
  fs.mkdirSync(path.join(tree, 'DEBIAN'), { mode: 0o755 });
  fs.writeFileSync(path.join(tree, 'DEBIAN', 'control'), `${FIELDS.join('\n')}\n`);
  fs.chmodSync(tree, 0o755);
  try {
    const args = ['--root-owner-group', '--build', tree, directory];
    execFileSync('dpkg-deb', args, { stdio: 'ignore' });
  } finally {
    fs.rmSync(tree, { recursive: true });
  }
}
