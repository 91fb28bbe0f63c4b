import * as fs from 'node:fs';
import * as path from 'node:path';
import { ProvisionerError } from '../errors.ts';
import { findAccount } from '../host/accounts.ts';
import type { Settings } from '../host/config.ts';
import type { HelperCommand } from './helper-client.ts';

const PACKAGE = '/usr/lib/python3/dist-packages/blockhost/vm_db.py';

/**
 * Whose records: BlockHost's where its Python package and its configuration are, else our own. State
 * that was moved elsewhere is its own world.
 */
export function chooseStore(
  settings: Pick<Settings, 'store' | 'blockhost_dir'>,
  env: NodeJS.ProcessEnv,
): 'blockhost' | 'embedded' {
  if (settings.store !== 'auto') return settings.store;
  if (env.BLOCKHOST_QEMU_STATE_DIR !== undefined) return 'embedded';
  const needed = [PACKAGE, path.join(settings.blockhost_dir, 'db.yaml')];
  return needed.every((file) => fs.existsSync(file)) ? 'blockhost' : 'embedded';
}

/** Debian's own Python: it has the packages. The database belongs to BlockHost's user, whoever asks. */
export function helperCommand(
  directory: string,
  { blockhost_dir, front_user }: Pick<Settings, 'blockhost_dir' | 'front_user'>,
): HelperCommand {
  const python = ['/usr/bin/python3', '-s', '-B', directory, '--config-dir', blockhost_dir];
  if (process.getuid?.() !== 0) return { file: python[0] ?? '', args: python.slice(1) };
  const account = findAccount(front_user);
  if (account === undefined) {
    throw new ProvisionerError(
      `there is no user ${front_user}, to whom BlockHost's database belongs`,
      {
        hint: 'install blockhost-common, or set store: embedded',
      },
    );
  }
  return {
    file: 'setpriv',
    args: [
      '--reuid',
      String(account.uid),
      '--regid',
      String(account.gid),
      '--init-groups',
      ...python,
    ],
  };
}
