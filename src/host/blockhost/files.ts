import * as path from 'node:path';

/** What belongs to BlockHost on its host, named in one place. Tests put it below a directory of their own. */
export interface BlockhostFiles {
  /** /etc/blockhost */
  etc: string;
  /** /run/blockhost */
  run: string;
  /** /usr/share/blockhost */
  share: string;
}

export function blockhostFiles(etc: string): BlockhostFiles {
  if (etc === '/etc/blockhost') {
    return { etc, run: '/run/blockhost', share: '/usr/share/blockhost' };
  }
  const root = path.dirname(etc);
  return { etc, run: path.join(root, 'run'), share: path.join(root, 'share') };
}
