import * as fs from 'node:fs';
import * as path from 'node:path';
import { blockhostFiles } from '../host/blockhost/files.ts';
import type { Config } from '../host/config.ts';
import { BlockhostStore } from '../store/blockhost.ts';
import { withDbYaml } from '../store/blockhost-settings.ts';
import { chooseStore, helperCommand } from '../store/choose.ts';
import { HelperClient } from '../store/helper-client.ts';
import { BlockhostSite } from '../vm/blockhost-site.ts';
import type { Host } from '../vm/host.ts';

/** On a host of BlockHost's: its records, its settings, its rules. Elsewhere nothing. */
export async function blockhostOf(
  config: Config,
  needsSettings: boolean,
): Promise<Partial<Pick<Host, 'store' | 'settings' | 'blockhost'>>> {
  const { settings } = config;
  if (chooseStore(settings, process.env) === 'embedded') return {};
  const program = fs.realpathSync(process.argv[1] ?? '');
  const directory = path.join(path.dirname(program), 'store_helper');
  const helper = new HelperClient(helperCommand(directory, settings));
  return {
    store: new BlockhostStore(helper),
    blockhost: new BlockhostSite(blockhostFiles(settings.blockhost_dir), helper),
    ...(needsSettings
      ? { settings: withDbYaml(settings, config.given, await helper.call('settings', {})) }
      : {}),
  };
}
