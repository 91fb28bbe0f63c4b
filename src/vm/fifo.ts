import * as fs from 'node:fs';
import { run } from '../host/exec.ts';

/**
 * Makes a FIFO and opens it for both directions: on Linux that never blocks, and from then on either end can be
 * opened at once (fifo(7)). The descriptor keeps its content alive until it is closed.
 */
export async function openFifo(
  file: string,
  owner?: { uid: number; gid: number },
): Promise<number> {
  fs.rmSync(file, { force: true });
  await run('mkfifo', ['-m', '0600', file]);
  if (owner !== undefined) fs.lchownSync(file, owner.uid, owner.gid);
  return fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_NOFOLLOW);
}

/** Opens one more end of a FIFO that `openFifo` has made. */
export function openEnd(file: string, flags: number): number {
  return fs.openSync(file, flags | fs.constants.O_NOFOLLOW);
}
