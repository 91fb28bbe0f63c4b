import { letRun, run } from './exec.ts';
import { sleep } from './time.ts';

const ARGS = ['-rf', '--one-file-system', '--'];

/**
 * Removes directories that somebody else may write to meanwhile. rm(1) goes from directory to directory by
 * descriptor; Node's own removal goes by path, and a directory swapped for a symbolic link would lead it away.
 */
export async function removeTree(...directories: string[]): Promise<void> {
  await run('rm', [...ARGS, ...directories], { timeoutMs: 0 });
}

/** Like `removeTree`, but waits `patienceMs` at most; the rest is removed while others work. */
export async function removeSoon(
  directories: readonly string[],
  patienceMs: number,
): Promise<void> {
  await Promise.race([letRun('rm', [...ARGS, ...directories]), sleep(patienceMs)]);
}
