import * as fs from 'node:fs';
import { errnoOf, messageOf } from '../errors.ts';
import type { Paths } from '../host/paths.ts';
import { isVmName, type VmName } from '../types.ts';
import { readVm } from './read-vm.ts';
import type { Records } from './view.ts';

/** How many VMs are sampled at once when nobody has published them. */
const PARALLEL = 64;

export interface AllOptions {
  extended: boolean;
  /** A VM that cannot be read is missing from the result. */
  report(line: string): void;
}

/** Every VM there is, by name. One that hangs holds nobody up for long. */
export async function readAll(paths: Paths, options: AllOptions): Promise<Map<VmName, Records>> {
  const all = new Map<VmName, Records>();
  const names = namesIn(paths.vms);
  for (let at = 0; at < names.length; at += PARALLEL) {
    const part = names.slice(at, at + PARALLEL);
    const records = await Promise.all(
      part.map((name) =>
        readVm(paths, name, options).catch((error) => {
          options.report(`VM ${name}: ${messageOf(error)}`);
          return undefined;
        }),
      ),
    );
    part.forEach((name, i) => {
      const found = records[i];
      if (found !== undefined) all.set(name, found);
    });
  }
  return all;
}

function namesIn(directory: string): VmName[] {
  try {
    return fs.readdirSync(directory).filter(isVmName).sort();
  } catch (error) {
    // Before the first VM there is no such directory.
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
