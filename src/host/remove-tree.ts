import { run } from './exec.ts';

/**
 * Removes a directory that somebody else may write to meanwhile. rm(1) goes from directory to directory by
 * descriptor; Node's own removal goes by path, and a directory swapped for a symbolic link would lead it away.
 */
export async function removeTree(directory: string): Promise<void> {
  await run('rm', ['-rf', '--one-file-system', '--', directory]);
}
