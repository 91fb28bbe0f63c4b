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

function entryOf(name: string, file: string): string[] | undefined {
  return linesOf(file)
    .find((line) => line.startsWith(`${name}:`))
    ?.split(':');
}

function linesOf(file: string): string[] {
  return fs.readFileSync(file, 'utf8').split('\n');
}
