import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { tinyGuest, type Variant } from './build.ts';
import { copyLibraries } from './initramfs.ts';
import { PLAIN } from './packages.ts';

/**
 * The disk of a tiny guest that Vagrant can work with: an ssh server, scp and rsync, and an account `vagrant`
 * with Vagrant's well-known key. What they need lies on the disk, so the plain guest stays as small as it is.
 */
export function sshGuest(): Promise<string> {
  return tinyGuest(SSH);
}

const PROGRAMS = ['usr/sbin/dropbear', 'usr/bin/dropbearkey', 'usr/bin/scp', 'usr/bin/rsync'];

const SSH: Variant = {
  selection: {
    wanted: [...PLAIN.wanted, 'dropbear-bin', 'openssh-client', 'rsync'],
    needed: new RegExp(
      `${PLAIN.needed.source}|^(dropbear-bin|openssh-client|rsync|zlib1g|lib(crypt1|ssl3|tomcrypt1|tommath1|gmp10|acl1|zstd1|lz4-1|xxhash0|popt0|selinux1)(t64)?)_`,
    ),
  },
  async extend(debs, tree) {
    const more = path.join(tree, 'more');
    for (const name of ['bin', 'lib']) fs.mkdirSync(path.join(more, name), { recursive: true });
    for (const name of PROGRAMS) {
      const program = path.join(debs, name);
      fs.copyFileSync(program, path.join(more, 'bin', path.basename(name)));
      await copyLibraries(debs, program, path.join(more, 'lib'));
    }
    fs.copyFileSync(path.join(here(), 'more', 'sudo'), path.join(more, 'bin', 'sudo'));
    fs.copyFileSync(path.join(here(), 'more', 'boot'), path.join(more, 'boot'));
    fs.copyFileSync(
      path.join(here(), 'more', 'authorized_keys'),
      path.join(more, 'authorized_keys'),
    );
    for (const name of ['bin/sudo', 'boot']) fs.chmodSync(path.join(more, name), 0o755);
  },
};

function here(): string {
  let root = path.dirname(fileURLToPath(import.meta.url));
  while (!fs.existsSync(path.join(root, 'package.json'))) root = path.dirname(root);
  return path.join(root, 'test', 'support', 'tiny-guest');
}
