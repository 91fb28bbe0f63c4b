import * as fs from 'node:fs';
import * as path from 'node:path';
import { ProvisionerError } from '../../../src/errors.ts';
import { ExecError, run } from '../../../src/host/exec.ts';

/** Packages, and which of those that they bring along are unpacked: only what is loaded. */
export interface Selection {
  wanted: readonly string[];
  needed: RegExp;
}

/** The kernel, busybox, the agent and the libraries the agent loads, on Debian 12 and 13. */
export const PLAIN: Selection = {
  wanted: ['linux-image-cloud-amd64', 'busybox-static', 'qemu-guest-agent'],
  needed:
    /^(linux-image-.*|busybox-static|qemu-guest-agent|lib(c6|gcc-s1|glib2\.0-0|udev1|uring2|numa1|pcre2-8-0|cap2|atomic1)(t64)?)_/,
};

export interface Packages {
  /** Names of package files: name_version_arch.deb. */
  files: string[];
  /** Puts the package files into a directory. */
  download(directory: string): Promise<void>;
  /** Downloads and unpacks them all into a directory. */
  unpack(directory: string): Promise<void>;
}

/**
 * Asks apt which packages the guest takes in the machine's release, whatever is installed on the machine.
 * Package lists come from the machine; when it has none, or they are stale, a private copy is fetched.
 */
export function findPackages(cache: string, selection = PLAIN): Promise<Packages> {
  const lists = path.join(cache, 'apt', 'lists');
  const useOwn = fs.existsSync(lists) || !hasLists('/var/lib/apt/lists');
  return withLists(cache, selection, useOwn ? lists : undefined, true);
}

async function withLists(
  cache: string,
  selection: Selection,
  lists: string | undefined,
  mayRefresh: boolean,
): Promise<Packages> {
  const apt = path.join(cache, 'apt');
  fs.mkdirSync(path.join(apt, 'archives', 'partial'), { recursive: true });
  const settings = [`Dir::Cache=${apt}`, 'Debug::NoLocking=1', 'Acquire::Languages=none'];
  settings.push('Dir::Cache::pkgcache=pkgcache.bin', 'Dir::State::status=/dev/null');
  if (process.getuid?.() === 0) settings.push('APT::Sandbox::User=root');
  if (lists !== undefined) settings.push(`Dir::State::lists=${lists}`);
  const aptGet = (args: string[], cwd = apt): Promise<string> =>
    runApt([...args, '-qq', ...settings.flatMap((s) => ['-o', s])], cwd);

  if (lists !== undefined && !hasLists(lists)) {
    fs.mkdirSync(path.join(lists, 'partial'), { recursive: true });
    await aptGet(['update']);
  }
  const plan = await aptGet([
    'install',
    '--yes',
    '--no-install-recommends',
    '--print-uris',
    ...selection.wanted,
  ]);
  const files = plan
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((name) => selection.needed.test(name))
    .sort();
  return { files, download, unpack };

  async function download(directory: string): Promise<void> {
    fs.mkdirSync(directory, { recursive: true });
    try {
      await aptGet(['download', ...files.map(nameAndVersion)], directory);
    } catch (error) {
      if (!mayRefresh) throw error;
      // The lists name a version that the archive has replaced since.
      const own = path.join(apt, 'lists');
      fs.rmSync(own, { recursive: true, force: true });
      const fresh = await withLists(cache, selection, own, false);
      await fresh.download(directory);
    }
  }

  async function unpack(directory: string): Promise<void> {
    const debs = path.join(directory, '.debs');
    await download(debs);
    for (const deb of fs.readdirSync(debs))
      await run('dpkg-deb', ['-x', path.join(debs, deb), directory]);
    fs.rmSync(debs, { recursive: true });
  }
}

async function runApt(args: string[], cwd: string): Promise<string> {
  try {
    return (await run('apt-get', args, { cwd, timeoutMs: 300_000 })).stdout;
  } catch (error) {
    if (!(error instanceof ExecError) || error.missing) throw error;
    throw new ProvisionerError(`the tiny guest's packages cannot be fetched: ${error.message}`, {
      detail: error.stderr,
      cause: error,
    });
  }
}

function hasLists(directory: string): boolean {
  return fs.existsSync(directory) && fs.readdirSync(directory).some((n) => /_Packages/.test(n));
}

/** libc6_1%3a2.36-9_amd64.deb → libc6=1:2.36-9 */
function nameAndVersion(file: string): string {
  const [name = '', version = ''] = file.split('_');
  return `${name}=${decodeURIComponent(version)}`;
}
