import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Paths } from '../../host/paths.ts';
import { isVmName, type VmName } from '../../types.ts';

/** The directory of published files: each is replaced by one rename, so a reader sees a whole one. */
export class Publisher {
  readonly #paths: Paths;

  constructor(paths: Paths) {
    this.#paths = paths;
  }

  /** Makes the directory and takes away what a sampler before this one left. What was stays. */
  prepare(): void {
    for (const kept of KEPT)
      fs.mkdirSync(path.join(this.#paths.statd, kept), { recursive: true, mode: 0o755 });
    for (const entry of fs.readdirSync(this.#paths.statd)) {
      if (isVmName(entry) || entry.endsWith(TEMPORARY)) this.#remove(entry);
    }
  }

  /** Names of the VMs there is something of. */
  names(): VmName[] {
    const entries = KEPT.flatMap((kept) => fs.readdirSync(path.join(this.#paths.statd, kept)));
    return [...new Set(entries.filter(isVmName))];
  }

  put(name: VmName, content: string): void {
    const temporary = `${this.#paths.statd}/.${name}${TEMPORARY}`;
    const fd = fs.openSync(temporary, 'w', 0o644);
    try {
      fs.writeSync(fd, content);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, `${this.#paths.statd}/${name}`);
  }

  /** It has crashed, and somebody who may is to start it again: the mark is theirs to take away. */
  mark(name: VmName): void {
    fs.writeFileSync(this.#paths.crashMark(name), '', { mode: 0o644 });
  }

  withdraw(name: VmName): void {
    this.#remove(name);
  }

  /** The VM is gone. */
  remove(name: VmName): void {
    this.#remove(name);
    fs.rmSync(this.#paths.history(name), { force: true });
    fs.rmSync(this.#paths.crashMark(name), { force: true });
    for (const file of Object.values(this.#paths.events(name))) fs.rmSync(file, { force: true });
  }

  #remove(entry: string): void {
    fs.rmSync(path.join(this.#paths.statd, entry), { force: true });
  }
}

/** Folders of what outlives a sampler, a file for each VM. */
const KEPT = ['.history', '.events', '.crashed'];

/** No VM's file can have such a name: it begins with a dot. Only one sampler writes here (statd.ts). */
const TEMPORARY = '.tmp';
