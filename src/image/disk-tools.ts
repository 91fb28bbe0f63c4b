import { ProvisionerError } from '../errors.ts';
import { ExecError, type RunOptions, type RunResult, run } from '../host/exec.ts';

/** The Debian package that brings each tool. */
const PACKAGE_OF: Record<string, string> = {
  'grub-mkimage': 'grub-common',
  mke2fs: 'e2fsprogs',
  sfdisk: 'fdisk',
};

/**
 * Runs one of the tools that make disks; they are in sbin, which is not on everybody's PATH.
 * @throws ProvisionerError naming the package when the tool is missing, ExecError when it fails.
 */
export async function runTool(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const [command = '', ...args] = argv;
  try {
    const env = { PATH: `${process.env.PATH ?? '/usr/bin:/bin'}:/usr/sbin:/sbin` };
    return await run(command, args, { env, ...options });
  } catch (error) {
    const name = PACKAGE_OF[command];
    if (!(error instanceof ExecError && error.missing) || name === undefined) throw error;
    throw new ProvisionerError(error.message, { hint: `install ${name}`, cause: error });
  }
}
