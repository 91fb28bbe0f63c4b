import * as fs from 'node:fs';
import * as path from 'node:path';
import { ProvisionerError } from '../errors.ts';

export interface QemuUser {
  uid: number;
  gid: number;
  /** Supplementary groups: the one that opens /dev/kvm. */
  groups: number[];
}

/**
 * Used when root runs a command and the configured system user does not exist. The number lies between
 * the ranges of Debian's adduser, of systemd's dynamic users and of subordinate ids, so nobody has it.
 */
const FALLBACK_ID = 65_600;

/**
 * Who QEMU runs as: an unprivileged user of its own when root starts it, else the caller (undefined).
 */
export function resolveQemuUser(userName: string, passwd = '/etc/passwd'): QemuUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const groups = kvmGroup();
  const line = fs
    .readFileSync(passwd, 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${userName}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) return { uid: FALLBACK_ID, gid: FALLBACK_ID, groups };
  if (Number(uid) === 0) {
    throw new ProvisionerError(`QEMU must not run as root, but qemu_user is ${userName}`, {
      hint: 'set qemu_user to an unprivileged system user',
    });
  }
  return { uid: Number(uid), gid: Number(gid), groups };
}

/** argv prefix that becomes the user for good: no capability, no way back (setpriv(1)). */
export function becomeUser(user: QemuUser | undefined): string[] {
  if (user === undefined) return ['setpriv', '--no-new-privs'];
  const groups = user.groups.length === 0 ? '--clear-groups' : `--groups=${user.groups.join(',')}`;
  return [
    'setpriv',
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    groups,
    '--no-new-privs',
    '--inh-caps=-all',
  ];
}

/**
 * QEMU must reach its files: every directory above them has to let its user pass.
 * @throws ProvisionerError naming the first one that does not.
 */
export function assertReachable(user: QemuUser | undefined, directory: string): void {
  if (user === undefined) return;
  const parts = directory.split(path.sep);
  for (let depth = 1; depth <= parts.length; depth++) {
    const ancestor = parts.slice(0, depth).join(path.sep) || '/';
    const stat = fs.statSync(ancestor);
    const bit = stat.uid === user.uid ? 0o100 : stat.gid === user.gid ? 0o010 : 0o001;
    if ((stat.mode & bit) !== 0) continue;
    throw new ProvisionerError(`QEMU's user (uid ${user.uid}) may not enter ${ancestor}`, {
      hint: `chmod o+x ${ancestor}, or choose another state directory (BLOCKHOST_QEMU_STATE_DIR)`,
    });
  }
}

function kvmGroup(): number[] {
  try {
    const { gid, mode } = fs.statSync('/dev/kvm');
    return (mode & 0o060) === 0o060 && gid !== 0 ? [gid] : [];
  } catch {
    return [];
  }
}
