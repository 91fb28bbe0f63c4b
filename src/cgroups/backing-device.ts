import * as fs from 'node:fs';
import * as path from 'node:path';

/**
 * The whole disk under a file, by its name in /dev; undefined where there is none to limit: tmpfs, overlay,
 * network file systems, btrfs (its device number is of no device), and volumes that span several disks.
 * Walks down through device mapper (LVM, dm-crypt) and partitions, as systemd does for its IO properties; a bind
 * mount is seen through, since a file's device number is that of its file system.
 */
export function backingDevice(file: string, sys = '/sys'): string | undefined {
  return deviceByNumber(fs.statSync(file).dev, sys);
}

/** For a st_dev of stat(2) as glibc packs it. */
export function deviceByNumber(dev: number, sys = '/sys'): string | undefined {
  const { major, minor } = split(BigInt(dev));
  if (major === 0n) return undefined;
  let directory = real(path.join(sys, 'dev', 'block', `${major}:${minor}`));
  while (directory !== undefined) {
    if (fs.existsSync(path.join(directory, 'partition'))) {
      directory = path.dirname(directory);
      continue;
    }
    const slaves = list(path.join(directory, 'slaves'));
    // sysfs has ! where the name in /dev has a slash (cciss/c0d0).
    if (slaves.length === 0) return path.basename(directory).replaceAll('!', '/');
    if (slaves.length > 1) return undefined;
    directory = real(path.join(directory, 'slaves', slaves[0] ?? ''));
  }
  return undefined;
}

/** gnu_dev_major and gnu_dev_minor of sys/sysmacros.h. */
function split(dev: bigint): { major: bigint; minor: bigint } {
  return {
    major: ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n),
    minor: (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n),
  };
}

function real(link: string): string | undefined {
  try {
    return fs.realpathSync(link);
  } catch {
    return undefined;
  }
}

function list(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}
