import * as fs from 'node:fs';
import * as path from 'node:path';
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

/** Debian's own Python: it has the packages. The database belongs to user blockhost, whoever asks. */
export function helperCommand(directory: string, etc: string, asRoot: boolean): HelperCommand {
  const python = ['/usr/bin/python3', '-s', '-B', directory, '--config-dir', etc];
  if (!asRoot) return { file: python[0] ?? '', args: python.slice(1) };
  return {
    file: 'setpriv',
    args: ['--reuid', 'blockhost', '--regid', 'blockhost', '--init-groups', ...python],
  };
}
