import * as fs from 'node:fs';
import * as path from 'node:path';

const O_PATH = 0o10000000;

/**
 * Opens a file without following a symbolic link anywhere on the way: who can write to one of the directories
 * could otherwise lead us to any file. Each component is opened from the descriptor of the one before it, by
 * way of /proc/self/fd (the effect of RESOLVE_NO_SYMLINKS, openat2(2), which Node cannot call).
 * @throws the system's error: ELOOP or ENOTDIR where there is a link.
 */
export function openWithoutLinks(file: string, flags: number): number {
  const { O_DIRECTORY, O_NOFOLLOW } = fs.constants;
  const parts = path
    .normalize(file)
    .split(path.sep)
    .filter((part) => part !== '');
  let at = fs.openSync('/', O_PATH | O_DIRECTORY);
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1;
    const how = last ? flags : O_PATH | O_DIRECTORY;
    try {
      const next = fs.openSync(`/proc/self/fd/${at}/${part}`, how | O_NOFOLLOW);
      fs.closeSync(at);
      at = next;
    } catch (error) {
      fs.closeSync(at);
      throw error;
    }
  }
  return at;
}

/**
 * Removes a file unless a symbolic link stands anywhere on the way to it. For what somebody less trusted keeps:
 * one that is not there, or is no file, is no error of ours.
 */
export function removeWithoutLinks(file: string): void {
  let directory: number | undefined;
  try {
    directory = openWithoutLinks(path.dirname(file), O_PATH | fs.constants.O_DIRECTORY);
    fs.unlinkSync(`/proc/self/fd/${directory}/${path.basename(file)}`);
  } catch {
    // Nothing that a VM's start or end should depend on.
  } finally {
    if (directory !== undefined) fs.closeSync(directory);
  }
}
