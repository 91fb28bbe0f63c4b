import * as fs from 'node:fs';
import * as path from 'node:path';
import { ProvisionerError } from '../../errors.ts';
import { findProcesses } from '../../host/find-processes.ts';
import { kill } from '../../host/process.ts';
import { removeTree } from '../../host/remove-tree.ts';
import type { VmName } from '../../types.ts';
import { gone } from '../end-qemu.ts';
import type { RootContext } from '../host.ts';

/** For a process that SIGKILL has been sent to. */
const GONE_MS = 5000;

/** argv of the server that shows a VM's disk. */
export function socketOption(socket: string): string {
  return `--socket=${socket}`;
}

/**
 * Ends servers whose caller was killed before the kernel knew that the one goes with the other, and removes their
 * sockets.
 */
export async function endImageServer(
  { paths }: Pick<RootContext, 'paths'>,
  name: VmName,
): Promise<void> {
  const directory = paths.imageServer(name);
  const stat = fs.statSync(directory, { throwIfNoEntry: false });
  if (stat === undefined) return;
  const owners = new Set([process.getuid?.() ?? stat.uid, stat.uid]);
  const option = socketOption(path.join(directory, '/'));
  const servers = findProcesses(owners, (argv) => argv.some((word) => word.startsWith(option)));
  kill(servers);
  if (!(await gone(servers, GONE_MS)))
    throw new ProvisionerError(`VM ${name}: a server of its disks does not end`);
  await removeTree(directory);
}
