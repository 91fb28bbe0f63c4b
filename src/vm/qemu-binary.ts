import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError } from '../errors.ts';

/**
 * Told before the work that would be for nothing, and in better words than those of the shell that cannot execute it.
 * @throws InputError when there is no such program, or not one that can be executed.
 */
export function assertQemu(binary: string): void {
  if (candidates(binary).some(isExecutable)) return;
  const missing = candidates(binary).every((file) => !fs.existsSync(file));
  throw new InputError(`${binary} ${missing ? 'is not installed' : 'cannot be executed'}`, {
    hint: 'install qemu-system-x86, or set qemu_binary in the configuration',
  });
}

/** As execvp(3) looks for it. */
function candidates(binary: string): string[] {
  if (binary.includes('/')) return [binary];
  const folders = process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin';
  return folders.split(':').map((folder) => path.join(folder, binary));
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
