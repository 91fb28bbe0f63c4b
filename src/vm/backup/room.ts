import * as fs from 'node:fs';
import { ProvisionerError } from '../../errors.ts';
import { freeBytes } from '../../host/free-space.ts';
import type { VmFiles } from '../../host/paths.ts';
import { MiB } from '../../types.ts';

/** Less than that is left to guests: they need it more than a backup does. */
const FLOOR = 64 * MiB;

/** @throws ProvisionerError when the file system of the VM's disks fills up meanwhile. */
export function assertRoomLeft({ directory }: VmFiles, what: 'backup' | 'restore'): void {
  // Of a VM that was destroyed meanwhile.
  if (!fs.existsSync(directory)) return;
  const free = freeBytes(directory);
  if (free >= FLOOR) return;
  throw new ProvisionerError(
    `only ${Math.floor(free / MiB)} MB are free in ${directory}: the ${what} is given up before guests run out of room`,
    { hint: 'free some space there and try again' },
  );
}

const LOOK_EVERY_MS = 500;

/** Does `work` and aborts it when too little room is left. */
export async function whileRoomIsLeft(
  files: VmFiles,
  what: 'backup' | 'restore',
  abort: AbortController,
  work: () => Promise<void>,
): Promise<void> {
  const look = (): void => {
    try {
      assertRoomLeft(files, what);
    } catch (error) {
      abort.abort(error);
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
}
