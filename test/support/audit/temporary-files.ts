import * as path from 'node:path';
import { list } from './files.ts';
import type { World } from './world.ts';

/** What was to become a file and did not: half-written, in a place where nobody looks for it. */
export function auditTemporary({ state, run }: World): string[] {
  const folders = [
    state,
    run,
    path.join(state, 'journal'),
    path.join(state, 'templates'),
    path.join(state, 'metrics'),
    ...list(path.join(state, 'vms')).map((name) => path.join(state, 'vms', name)),
  ];
  return folders.flatMap((folder) =>
    list(folder)
      .filter((name) => /\.tmp$|^\.probe\./.test(name))
      .map((name) => `half-written ${path.join(path.basename(folder), name)}`),
  );
}
