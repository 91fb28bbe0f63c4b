import * as fs from 'node:fs';
import * as path from 'node:path';
import { readFileIfExists } from '../host/files.ts';
import { KeptFile } from '../host/kept-file.ts';

/** The only files this program reads of a cgroup, whatever it is asked for (cgroup-v2.rst of the kernel). */
export type CgroupFile =
  | 'cpu.stat'
  | 'cpu.max'
  | 'cpu.weight'
  | 'cpu.pressure'
  | 'memory.current'
  | 'memory.events'
  | 'memory.stat'
  | 'memory.pressure'
  | 'io.stat'
  | 'io.pressure'
  | 'pids.current';

/** Where cgroup v2 is mounted when it is the host's only version. */
const ROOT = '/sys/fs/cgroup';
/** CGROUP2_SUPER_MAGIC of linux/magic.h. */
const CGROUP2 = 0x63677270;

/** One cgroup v2, by its directory. That it vanishes at any moment is normal: then its files are undefined. */
export class Cgroup {
  readonly directory: string;
  readonly #kept = new Map<CgroupFile, KeptFile>();

  constructor(directory: string) {
    this.directory = directory;
  }

  /**
   * The cgroup of a process, if it is a v2 cgroup made for this process: its last part has that name.
   * In any other one the figures would be of somebody else as well.
   */
  static of(pid: number, name: string, root = ROOT): Cgroup | undefined {
    try {
      if (fs.statfsSync(root).type !== CGROUP2) return undefined;
      const inside = unifiedPath(fs.readFileSync(`/proc/${pid}/cgroup`, 'latin1'));
      if (inside === undefined || path.basename(inside) !== name) return undefined;
      return new Cgroup(path.join(root, inside));
    } catch {
      return undefined;
    }
  }

  read(file: CgroupFile): string | undefined {
    try {
      return readFileIfExists(path.join(this.directory, file));
    } catch {
      // ENODEV: removed between open and read. Anything else is no figure either.
      return undefined;
    }
  }

  /** For what is read every few seconds: the file stays open. */
  readKept(file: CgroupFile): string | undefined {
    let kept = this.#kept.get(file);
    if (kept === undefined) {
      kept = new KeptFile(path.join(this.directory, file));
      this.#kept.set(file, kept);
    }
    return kept.read();
  }

  close(): void {
    for (const file of this.#kept.values()) file.close();
    this.#kept.clear();
  }
}

/** The line `0::/path` of /proc/PID/cgroup (cgroups(7)); never a path that leads upwards. */
export function unifiedPath(text: string): string | undefined {
  const inside = /^0::(\/[^\n]*)$/m.exec(text)?.[1];
  return inside === undefined || inside.split('/').includes('..') ? undefined : inside;
}
