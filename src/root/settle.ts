import * as fs from 'node:fs';
import { BusyError } from '../errors.ts';
import { letRun } from '../host/exec.ts';
import { isLockHeld } from '../host/lock-held.ts';
import { isSystemdHost } from '../systemd/scope.ts';
import { parseVmName, type VmName } from '../types.ts';
import { settleBackup } from '../vm/backup/settle.ts';
import type { RootContext } from '../vm/host.ts';
import type { SettleBackup } from '../vm/root-side.ts';
import { inTurn } from '../vm/root-turn.ts';

/**
 * Clearing away what a killed backup has left takes longer than anybody may be held up at the door. A process of its
 * own does it, and whoever asked asks again. @throws BusyError meanwhile.
 */
export async function askSettle(
  context: RootContext,
  request: SettleBackup,
): Promise<Record<string, never>> {
  const { paths, inHaste } = context;
  const { name } = request;
  if (inHaste !== true) {
    await settleBackup(context, request);
    return {};
  }
  if (!fs.existsSync(paths.vm(name).fleece)) return {};
  if (!(await isLockHeld(paths.backupLock(name)))) beginSettling(name);
  throw new BusyError(`VM ${name}: what an earlier backup has left is being cleared away`, {
    hint: 'try again in a moment',
  });
}

/** Outside of the root agent's sandbox, which hides or closes folders that a backup may go to. */
function beginSettling(name: VmName): void {
  const words = [fs.realpathSync(process.argv[1] ?? ''), 'root', '--settle', name];
  // A second one of that name is refused by systemd.
  const unit = ['--quiet', '--collect', `--unit=blockhost-qemu-settle-${name}`];
  if (isSystemdHost()) void letRun('systemd-run', [...unit, '--', process.execPath, ...words]);
  else void letRun(process.execPath, words);
}

/** The work itself. */
export async function workSettle(context: RootContext, text: string): Promise<void> {
  const name = parseVmName(text);
  await inTurn(context, 'settle', name, () => settleBackup(context, { name }));
}
