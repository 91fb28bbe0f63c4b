import * as fs from 'node:fs';

export interface Account {
  uid: number;
  gid: number;
  home: string;
}

/** A local account of passwd(5), or undefined. */
export function findAccount(name: string, file = '/etc/passwd'): Account | undefined {
  const [, , uid, gid, , home = '/'] = entryOf(name, file) ?? [];
  if (uid === undefined || gid === undefined) return undefined;
  return { uid: Number(uid), gid: Number(gid), home };
}

/** The id of a local group of group(5), or undefined. */
export function findGroup(name: string, file = '/etc/group'): number | undefined {
  const gid = entryOf(name, file)?.[2];
  return gid === undefined ? undefined : Number(gid);
}

/** Ids of the local groups that name the account as a member. */
export function groupsOf(name: string, file = '/etc/group'): number[] {
  return linesOf(file)
    .map((line) => line.split(':'))
    .filter(([, , , members = '']) => members.split(',').includes(name))
    .map(([, , gid]) => Number(gid));
}

/** From root to an account, with its groups, and no way back. */
export function dropTo(account: Account, user: string): void {
  process.setgroups?.([account.gid, ...groupsOf(user)]);
  process.setgid?.(account.gid);
  process.setuid?.(account.uid);
  for (const name of Object.keys(process.env))
    if (name === 'TMPDIR' || name.startsWith('XDG_')) delete process.env[name];
  Object.assign(process.env, { HOME: account.home, USER: user, LOGNAME: user });
  // Root's own folders are closed now: a search that comes by one would end with EACCES.
  process.env.PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
}

function entryOf(name: string, file: string): string[] | undefined {
  return linesOf(file)
    .find((line) => line.startsWith(`${name}:`))
    ?.split(':');
}

function linesOf(file: string): string[] {
  return fs.readFileSync(file, 'utf8').split('\n');
}
