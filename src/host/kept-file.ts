import * as fs from 'node:fs';

/** Enough for any file of the kernel's that is read this way; what is longer is cut. */
const buffer = Buffer.allocUnsafe(4096);

/**
 * A file of the kernel's that is read again and again. It stays open, so that a read is one system call, and
 * one that has vanished (a process ended, a device was unplugged) is nothing more than undefined.
 */
export class KeptFile {
  readonly path: string;
  #fd: number | undefined;

  constructor(path: string) {
    this.path = path;
  }

  read(): string | undefined {
    try {
      this.#fd ??= fs.openSync(this.path, 'r');
      const length = fs.readSync(this.#fd, buffer, 0, buffer.length, 0);
      return buffer.toString('latin1', 0, length);
    } catch {
      this.close();
      return undefined;
    }
  }

  close(): void {
    if (this.#fd === undefined) return;
    fs.closeSync(this.#fd);
    this.#fd = undefined;
  }
}
