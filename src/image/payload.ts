import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError, messageOf } from '../errors.ts';
import { run } from '../host/exec.ts';
import { customizeScript } from './guest/customize-script.ts';
import type { GuestFile } from './guest/guest-file.ts';
import { guestFiles } from './guest/guest-files.ts';
import type { PackageFiles } from './template-manifest.ts';

export interface PayloadOptions {
  tune: boolean;
  /** Folder whose *.deb are installed; it may be absent. */
  packagesDir?: string | undefined;
  /** Whether a folder without packages is an error (contract §15). */
  requirePackages: boolean;
  extraFiles?: readonly GuestFile[];
  signal?: AbortSignal | undefined;
}

/**
 * Fills `folder` with all that turns a Debian system into a template: `customize.sh FOLDER`, run inside it.
 * @returns the packages that are in it.
 */
export async function writePayload(folder: string, options: PayloadOptions): Promise<PackageFiles> {
  const packages = path.join(folder, 'packages');
  fs.mkdirSync(packages, { recursive: true });
  const packageFiles: PackageFiles = {};
  for (const file of templatePackages(options)) {
    const name = path.basename(file);
    packageFiles[name] = copyPackage(file, path.join(packages, name));
  }
  fs.writeFileSync(path.join(folder, 'customize.sh'), customizeScript(options));
  const tree = `${folder}.files`;
  const files = [...guestFiles(options.tune), ...(options.extraFiles ?? [])];
  for (const file of files) writeGuestFile(tree, file);
  // Without the directories: unpacking must not change those the guest has. With a fixed time, so that
  // customize.sh can tell whether it was run before.
  await run(
    'tar',
    [
      '--create',
      '--file',
      path.join(folder, 'files.tar'),
      '--owner=0',
      '--group=0',
      '--mtime=@1000000000',
    ]
      .concat(['--directory', tree, '--no-recursion', '--'])
      .concat(files.map((file) => `.${file.path}`)),
    { signal: options.signal },
  );
  fs.rmSync(tree, { recursive: true });
  return packageFiles;
}

/** @throws InputError when packages are required and there are none. */
export function templatePackages(
  options: Pick<PayloadOptions, 'packagesDir' | 'requirePackages'>,
): string[] {
  const { packagesDir, requirePackages } = options;
  const names =
    packagesDir !== undefined && fs.existsSync(packagesDir) ? fs.readdirSync(packagesDir) : [];
  const files = names
    .filter((name) => name.endsWith('.deb'))
    .sort()
    .map((name) => path.resolve(packagesDir ?? '', name));
  if (files.length === 0 && requirePackages) {
    throw new InputError(`there are no packages in ${packagesDir ?? 'the packages folder'}`, {
      hint: 'put libpam-web3 and the engine’s libpam-web3 package there',
    });
  }
  return files;
}

/**
 * Who may put packages there may not make us read, or wait for, anything else.
 * @returns the SHA-256 of what was copied.
 */
function copyPackage(file: string, to: string): string {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  let fd: number;
  try {
    fd = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (cause) {
    throw new InputError(`the package ${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  try {
    if (!fs.fstatSync(fd).isFile()) throw new InputError(`${file} is not a regular file`);
    const content = fs.readFileSync(fd);
    fs.writeFileSync(to, content, { mode: 0o644 });
    return createHash('sha256').update(content).digest('hex');
  } finally {
    fs.closeSync(fd);
  }
}

function writeGuestFile(tree: string, file: GuestFile): void {
  const target = path.join(tree, file.path);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  if ('link' in file) {
    fs.symlinkSync(file.link, target);
  } else {
    fs.writeFileSync(target, file.content);
    fs.chmodSync(target, file.mode ?? 0o644);
  }
}
