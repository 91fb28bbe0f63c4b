import { letRun, run } from './exec.ts';
import { sleep } from './time.ts';

const ARGS = ['-rf', '--one-file-system', '--'];

/**
 * Removes a directory that somebody else may write to meanwhile. rm(1) goes from directory to directory by
 * descriptor; Node's own removal goes by path, and a directory swapped for a symbolic link would lead it away.
 */
export async function removeTree(directory: string): Promise<void> {
  await run('rm', [...ARGS, directory], { timeoutMs: 0 });
}

/** Like `removeTree`, but waits `patienceMs` at most; the rest is removed while others work. */
export async function removeSoon(directory: string, patienceMs: number): Promise<void> {
  await Promise.race([letRun('rm', [...ARGS, directory]), sleep(patienceMs)]);
}
