import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProvisionerError } from '../../../src/errors.ts';
import { run } from '../../../src/host/exec.ts';
import { lockFile } from '../../../src/host/lock.ts';
import { makeBootDisk } from '../../../src/image/boot-disk.ts';
import { MiB } from '../../../src/types.ts';
import { makeInitramfs } from './initramfs.ts';
import { findPackages, type Packages, PLAIN, type Selection } from './packages.ts';

/** A guest with more on its disk than the plain one has. */
export interface Variant {
  selection: Selection;
  /** Puts files into the tree of the boot partition, which the guest mounts at /data. */
  extend(debs: string, tree: string): Promise<void>;
}

const PLAIN_GUEST: Variant = { selection: PLAIN, extend: () => Promise.resolve() };

const found = new Map<Variant, Promise<string>>();

/**
 * The path of the tiny guest's disk image, made when it is not in the cache: read-only, to be used as a
 * backing file. One per content: package versions, guest scripts and builder.
 */
export function tinyGuest(variant = PLAIN_GUEST): Promise<string> {
  const promise = found.get(variant) ?? given(variant) ?? findOrBuild(variant);
  found.set(variant, promise);
  return promise;
}

/** Inside a lab host, which has the plain one from the machine the lab runs on. */
function given(variant: Variant): Promise<string> | undefined {
  const image = process.env.BLOCKHOST_TINY_GUEST;
  return image === undefined || variant !== PLAIN_GUEST ? undefined : Promise.resolve(image);
}

async function findOrBuild(variant: Variant): Promise<string> {
  const home = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  const cache = path.join(home, 'blockhost-qemu', 'tiny-guest');
  const lock = await lockFile(path.join(cache, 'lock'), {
    what: "the tiny guest's cache",
    holder: 'the tiny guest builder',
    waitMs: 300_000,
  });
  try {
    const packages = await findPackages(cache, variant.selection);
    const directory = path.join(cache, keyOf(packages));
    const image = path.join(directory, 'disk.qcow2');
    if (fs.existsSync(image)) return image;
    const work = fs.mkdtempSync(path.join(cache, 'build-'));
    try {
      await build(packages, variant, work);
      fs.mkdirSync(directory, { recursive: true });
      fs.renameSync(path.join(work, 'disk.qcow2'), image);
    } finally {
      fs.rmSync(work, { recursive: true, force: true });
    }
    return image;
  } finally {
    lock.release();
  }
}

async function build(packages: Packages, variant: Variant, work: string): Promise<void> {
  const debs = path.join(work, 'debs');
  await packages.unpack(debs);
  const boot = path.join(work, 'tree', 'boot');
  fs.mkdirSync(path.join(boot, 'grub'), { recursive: true });
  await makeInitramfs(debs, path.join(here(), 'rootfs'), path.join(boot, 'initrd'));
  const kernel = fs.readdirSync(path.join(debs, 'boot')).find((n) => n.startsWith('vmlinuz-'));
  if (kernel === undefined) throw new ProvisionerError('the kernel package brings no kernel');
  fs.writeFileSync(
    path.join(boot, 'vmlinuz'),
    notRelocatable(fs.readFileSync(path.join(debs, 'boot', kernel))),
  );
  fs.copyFileSync(path.join(here(), 'grub.cfg'), path.join(boot, 'grub', 'grub.cfg'));
  await variant.extend(debs, path.join(work, 'tree'));
  const raw = path.join(work, 'disk.raw');
  await makeBootDisk(
    {
      rootTree: path.join(work, 'tree'),
      file: raw,
      sizeBytes: 96 * MiB,
      label: 'tiny-guest',
      workDir: work,
      modules: 'embedded',
    },
    { report: () => undefined },
  );
  const image = path.join(work, 'disk.qcow2');
  await run('qemu-img', ['convert', '-O', 'qcow2', raw, image]);
  fs.chmodSync(image, 0o444);
}

/** `relocatable_kernel` in the header of Linux's x86 boot protocol. */
const RELOCATABLE = 0x234;

/**
 * GRUB moves a relocatable kernel's whole working space byte by byte before it starts it: 50 MB, 2.8 s on an
 * emulated CPU. One that says it is not relocatable is loaded where it stays.
 */
function notRelocatable(kernel: Buffer): Buffer {
  kernel[RELOCATABLE] = 0;
  return kernel;
}

/** Everything the image is made from, but for the versions of the tools on the machine. */
function keyOf(packages: Packages): string {
  const hash = createHash('sha256').update(packages.files.join('\n'));
  const sources = [
    here(),
    ...['boot-disk.ts', 'boot-sectors.ts'].map((n) => path.join(image(), n)),
  ];
  for (const file of sources.flatMap(filesUnder))
    hash.update(path.relative(here(), file)).update(fs.readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

function filesUnder(start: string): string[] {
  if (fs.statSync(start).isFile()) return [start];
  const names = fs.readdirSync(start, { recursive: true }) as string[];
  return names
    .map((name) => path.join(start, name))
    .filter((file) => fs.statSync(file).isFile())
    .sort();
}

/** This directory, also from a bundle elsewhere below the project. */
function here(): string {
  let root = path.dirname(fileURLToPath(import.meta.url));
  while (!fs.existsSync(path.join(root, 'package.json'))) {
    if (root === '/') throw new ProvisionerError("the tiny guest's sources are not there");
    root = path.dirname(root);
  }
  return path.join(root, 'test', 'support', 'tiny-guest');
}

function image(): string {
  return path.join(here(), '..', '..', '..', 'src', 'image');
}
