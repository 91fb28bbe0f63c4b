import * as fs from 'node:fs';
import { isLockHeld } from '../../host/lock-held.ts';
import type { VmName } from '../../types.ts';
import type { RootContext } from '../host.ts';

/** Whether a backup was killed. */
export async function isAbandoned(
  host: Pick<RootContext, 'paths'>,
  name: VmName,
): Promise<boolean> {
  return fs.existsSync(host.paths.vm(name).fleece) && !(await isUnderWay(host, name));
}

/** Whether one goes on now. */
export function isUnderWay(host: Pick<RootContext, 'paths'>, name: VmName): Promise<boolean> {
  return isLockHeld(host.paths.backupLock(name));
}
