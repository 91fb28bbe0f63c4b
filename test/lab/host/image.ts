import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { ProvisionerError } from '../../../src/errors.ts';
import { run } from '../../../src/host/exec.ts';
import { lockFile } from '../../../src/host/lock.ts';
import { projectRoot } from '../../support/program.ts';
import { baseTree } from './base-tree.ts';
import { nodeForHost } from './node.ts';

/** Where Debian's package user-mode-linux keeps the modules of its kernel. */
const MODULES = '/usr/lib/uml/modules';

let found: Promise<string> | undefined;

/** The lab's disk image, made when it is not in the cache. Never written to: hosts work on a COW file. */
export function labImage(): Promise<string> {
  found ??= findOrBuild();
  return found;
}

/** Below it are the images, and the locks of the CPUs in use. */
export function labCache(): string {
  const home = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  return path.join(home, 'blockhost-qemu', 'lab');
}

async function findOrBuild(): Promise<string> {
  if (process.getuid?.() !== 0) throw new ProvisionerError('building a lab host needs root');
  const cache = labCache();
  const lock = await lockFile(path.join(cache, 'lock'), {
    what: "the lab's image",
    holder: 'a build of it',
    waitMs: 900_000,
  });
  try {
    const began = performance.now();
    const node = await nodeForHost();
    const base = await baseTree(cache, node.packages, report);
    const image = path.join(cache, `host-${keyOf(base)}.img`);
    if (!fs.existsSync(image)) {
      await build(base, node.file, image);
      removeOld(cache);
      report(`${image} made in ${((performance.now() - began) / 1000).toFixed(0)} s`);
    }
    return image;
  } finally {
    lock.release();
  }
}

async function build(base: string, node: string, image: string): Promise<void> {
  const work = fs.mkdtempSync(path.join(path.dirname(image), 'build-'));
  try {
    const tree = path.join(work, 'tree');
    fs.mkdirSync(tree);
    await run('tar', ['--numeric-owner', '-C', tree, '-xf', base]);
    await run('sh', [path.join(sources(), 'customize.sh'), tree], {
      env: { NODE: node, MODULES: path.join(MODULES, kernelRelease()) },
      timeoutMs: 300_000,
    });
    const raw = path.join(work, 'disk.img');
    await run('mke2fs', ['-q', '-t', 'ext4', '-d', tree, raw, '6G'], { timeoutMs: 300_000 });
    fs.chmodSync(raw, 0o444);
    fs.renameSync(raw, image);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/** The base names its packages; the rest is the lab's own files, this machine's node and the kernel. */
function keyOf(base: string): string {
  const hash = createHash('sha256').update(`${base} ${process.version} ${kernelRelease()}`);
  const support = ['root-agent', 'blockhost'].map((n) =>
    path.join(projectRoot(), 'test/support', n),
  );
  for (const folder of [sources(), ...support]) {
    for (const name of (fs.readdirSync(folder, { recursive: true }) as string[]).sort()) {
      const file = path.join(folder, name);
      const stat = fs.lstatSync(file);
      hash.update(`${name} ${stat.mode}\n`);
      if (stat.isFile()) hash.update(fs.readFileSync(file));
      if (stat.isSymbolicLink()) hash.update(fs.readlinkSync(file));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

function kernelRelease(): string {
  const releases = fs.existsSync(MODULES) ? fs.readdirSync(MODULES).sort() : [];
  const newest = releases.at(-1);
  if (newest === undefined) {
    throw new ProvisionerError('User-mode Linux is not installed', {
      hint: 'run scripts/install-deps lab',
    });
  }
  return newest;
}

function sources(): string {
  return path.join(projectRoot(), 'test/lab/image');
}

/**
 * A gigabyte each, and several checkouts may share the cache: keep the newest few. A host that runs on one that
 * goes keeps it as long as its power lasts.
 */
function removeOld(cache: string): void {
  for (const kind of [/^base-.*\.tar$/, /^host-.*\.img$/]) {
    const files = fs.readdirSync(cache).filter((name) => kind.test(name));
    const newest = files
      .map((name) => path.join(cache, name))
      .sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs);
    for (const file of newest.slice(KEEP)) fs.rmSync(file);
  }
}

const KEEP = 4;

function report(line: string): void {
  console.error(`lab: ${line}`);
}
