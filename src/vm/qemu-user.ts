import * as fs from 'node:fs';
import * as path from 'node:path';
import { ProvisionerError } from '../errors.ts';
import { findGroup } from '../host/accounts.ts';
import type { Settings } from '../host/config.ts';

/** Who QEMU of one VM runs as when root starts it. */
export interface QemuUser {
  uid: number;
  gid: number;
  /** Supplementary groups: the one that opens /dev/kvm and /dev/vhost-net. */
  groups: number[];
  /** Group that may use the VM's sockets and read its console log. */
  accessGid: number;
}

/** The user of the resident sampler (systemd/blockhost-qemu-statd.service) and its group. */
const OBSERVER = 'blockhost-qemu';

/**
 * The account of a VM that got this number, or undefined when the caller is not root: then QEMU runs as the
 * caller. The number is the VM's alone, so that a guest which breaks out of its QEMU finds itself in a user
 * that owns one disk.
 */
export function qemuUserOf(uid: number | undefined, settings: Settings): QemuUser | undefined {
  if (process.getuid?.() !== 0 || uid === undefined) return undefined;
  const accessGid = findGroup(settings.access_group) ?? findGroup(OBSERVER) ?? 0;
  return { uid, gid: uid, groups: kvmGroup(), accessGid };
}

/**
 * A number nobody else has, at the place the VM's id gives it if that is free. The default range lies between
 * those of adduser, of systemd's dynamic users and of subordinate ids (UIDS-GIDS.md of systemd).
 */
export function chooseUid(
  vmid: number,
  { first, last }: Settings['qemu_uids'],
  taken: ReadonlySet<number>,
): number {
  const count = last - first + 1;
  for (let i = 0; i < count; i++) {
    const uid = first + ((vmid + i) % count);
    if (!taken.has(uid)) return uid;
  }
  throw new ProvisionerError(`all users from ${first} to ${last} are taken by VMs`, {
    hint: 'widen qemu_uids in the configuration',
  });
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
    '--bounding-set=-all',
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
