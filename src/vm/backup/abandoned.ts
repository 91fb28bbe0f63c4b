import * as fs from 'node:fs';
import { isLockHeld } from '../../host/lock-held.ts';
import type { VmName } from '../../types.ts';
import type { ReadHost } from '../host.ts';

/** Whether a backup was killed. */
export function isAbandoned(host: Pick<ReadHost, 'paths' | 'role'>, name: VmName): boolean {
  const { fleece } = host.paths.vm(name);
  return host.role.kind === 'own' && fs.existsSync(fleece) && !isUnderWay(host, name);
}

/** Whether one goes on now. */
export function isUnderWay(host: Pick<ReadHost, 'paths'>, name: VmName): boolean {
  return isLockHeld(host.paths.backupLock(name));
}
