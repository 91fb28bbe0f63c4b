import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { run } from '../../../src/host/exec.ts';
import { lockFile } from '../../../src/host/lock.ts';
import { basePackages } from '../../../src/image/bootstrap.ts';
import { defaultSuite } from '../../../src/image/debian-mirrors.ts';
import { findPackages } from '../../support/tiny-guest/packages.ts';
import { labCache } from './image.ts';

/**
 * A folder laid out as a mirror of Debian with the packages of a template and no others, which this machine's apt
 * fetches: a lab host reaches nobody else. Kept in the cache, one for each set of versions; not signed.
 */
export async function debianMirror(): Promise<string> {
  const cache = path.join(labCache(), 'mirror');
  const lock = await lockFile(path.join(cache, 'lock'), {
    what: "the lab's mirror of Debian",
    holder: 'a test',
    waitMs: 300_000,
  });
  try {
    const wanted = ['?essential', '?priority(required)', 'apt', ...basePackages(true)];
    const packages = await findPackages(cache, { wanted, needed: /./ });
    const key = createHash('sha256').update(packages.files.join('\n')).digest('hex').slice(0, 16);
    const mirror = path.join(cache, `debian-${key}`);
    if (!fs.existsSync(mirror)) {
      removeOld(cache);
      const half = fs.mkdtempSync(path.join(cache, 'half-'));
      await packages.download(path.join(half, 'debian', 'pool'));
      await index(path.join(half, 'debian'));
      fs.chmodSync(half, 0o755);
      fs.renameSync(half, mirror);
    }
    return mirror;
  } finally {
    lock.release();
  }
}

/** Writes what apt reads first: the list of packages, and the release that says its digest. */
async function index(archive: string): Promise<void> {
  const suite = defaultSuite();
  const release = path.join(archive, 'dists', suite);
  const list = 'main/binary-amd64/Packages';
  fs.mkdirSync(path.dirname(path.join(release, list)), { recursive: true });
  const { stdout } = await run('dpkg-scanpackages', ['--arch', 'amd64', 'pool'], { cwd: archive });
  fs.writeFileSync(path.join(release, list), stdout);
  const digest = createHash('sha256').update(stdout).digest('hex');
  const fields = [
    'Origin: Debian',
    `Codename: ${suite}`,
    'Architectures: amd64',
    'Components: main',
    `Date: ${new Date().toUTCString().replace('GMT', 'UTC')}`,
    `SHA256:\n ${digest} ${Buffer.byteLength(stdout)} ${list}`,
  ];
  fs.writeFileSync(path.join(release, 'Release'), `${fields.join('\n')}\n`);
}

/** A hundred megabytes each: the newest few are kept, since other checkouts may be using them. */
function removeOld(cache: string): void {
  const names = fs.readdirSync(cache);
  const mirrors = names
    .filter((name) => name.startsWith('debian-'))
    .map((name) => path.join(cache, name))
    .sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs);
  // What a killed test has left: nobody else is here.
  const halves = names.filter((name) => name.startsWith('half-'));
  for (const folder of [...mirrors.slice(2), ...halves.map((name) => path.join(cache, name))])
    fs.rmSync(folder, { recursive: true });
}
