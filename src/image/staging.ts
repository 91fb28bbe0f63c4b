import * as fs from 'node:fs';
import * as path from 'node:path';
import { ProvisionerError } from '../errors.ts';
import { run } from '../host/exec.ts';
import { ensureDirectory } from '../host/files.ts';
import type { Paths } from '../host/paths.ts';
import { isStaleStaging, ownStagingPrefix } from './staging-name.ts';

/**
 * Calls `body` with an empty private directory on the file system of the templates, which is gone
 * afterwards unless `body` renamed it. What ended processes left behind is removed first.
 */
export async function withStaging<T>(
  paths: Paths,
  body: (directory: string) => Promise<T>,
): Promise<T> {
  ensureDirectory(paths.staging, 0o700);
  await removeStale(paths);
  const directory = fs.mkdtempSync(path.join(paths.staging, ownStagingPrefix()));
  try {
    return await body(directory);
  } finally {
    await removeTree(directory);
  }
}

/** Removes staging directories whose makers have ended. */
export async function removeStale(paths: Paths): Promise<void> {
  for (const name of staleStaging(paths)) await removeTree(path.join(paths.staging, name));
}

/** Names of staging directories whose makers have ended. */
export function staleStaging(paths: Paths): string[] {
  if (!fs.existsSync(paths.staging)) return [];
  return fs.readdirSync(paths.staging).filter(isStaleStaging);
}

/** A bootstrap that was killed can leave /dev of the host mounted inside: never delete through a mount. */
async function removeTree(directory: string): Promise<void> {
  for (const mount of mountsBelow(directory)) await run('umount', ['--lazy', mount]);
  const left = mountsBelow(directory)[0];
  if (left !== undefined) {
    throw new ProvisionerError(`${directory} cannot be removed: ${left} is mounted`, {
      hint: `run umount ${left}`,
    });
  }
  fs.rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
}

function mountsBelow(directory: string): string[] {
  return fs
    .readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter((mount) => mount.startsWith(`${directory}/`))
    .reverse();
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
