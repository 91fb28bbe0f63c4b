import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after } from 'node:test';
import { Sandbox } from './sandbox.ts';

const MB = 1024 * 1024;

/** A sandbox on a file system of its own that can be filled. */
export class SmallDisk {
  readonly sandbox: Sandbox;
  readonly #ballast: string;

  private constructor(sandbox: Sandbox, directory: string) {
    this.sandbox = sandbox;
    this.#ballast = path.join(directory, 'ballast');
  }

  /** To be called outside of tests: it goes at the end of the file. */
  static async make(megabytes: number): Promise<SmallDisk> {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'bv-small-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'none', directory]);
    fs.chmodSync(directory, 0o711);
    const { TMPDIR } = process.env;
    process.env.TMPDIR = directory;
    try {
      return new SmallDisk(await Sandbox.make({ after }), directory);
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
      // Those registered before are called before: the sandbox is empty by then.
      after(() => {
        // A process that was killed may hold it a moment longer.
        execFileSync('umount', ['--lazy', directory]);
        fs.rmdirSync(directory);
      });
    }
  }

  get freeMb(): number {
    const { bavail, bsize } = fs.statfsSync(path.dirname(this.#ballast));
    return (bavail * bsize) / MB;
  }

  /** Leaves so many megabytes free. */
  fill(left: number): void {
    this.clear();
    const block = Buffer.alloc(64 * 1024);
    const fd = fs.openSync(this.#ballast, 'w');
    try {
      while (this.freeMb > left) fs.writeSync(fd, block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      fs.closeSync(fd);
    }
  }

  clear(): void {
    fs.rmSync(this.#ballast, { force: true });
  }
}
