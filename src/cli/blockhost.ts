import * as fs from 'node:fs';
import * as path from 'node:path';
import { blockhostFiles } from '../host/blockhost/files.ts';
import type { Config } from '../host/config.ts';
import { BlockhostStore } from '../store/blockhost.ts';
import { withDbYaml } from '../store/blockhost-settings.ts';
import { helperCommand } from '../store/choose.ts';
import { HelperClient } from '../store/helper-client.ts';
import { BlockhostSite } from '../vm/blockhost-site.ts';
import type { Host } from '../vm/host.ts';

/** What a host of BlockHost's has: its records, its settings, its rules. */
export async function blockhostOf(
  config: Config,
  needsSettings: boolean,
): Promise<Pick<Host, 'store' | 'blockhost'> & Partial<Pick<Host, 'settings'>>> {
  const { settings } = config;
  const helper = helperOf(config);
  return {
    store: new BlockhostStore(helper),
    blockhost: new BlockhostSite(blockhostFiles(settings.blockhost_dir), helper),
    ...(needsSettings
      ? { settings: withDbYaml(settings, config.given, await helper.call('settings', {})) }
      : {}),
  };
}

/** Its records alone. */
export function blockhostStore(config: Config): BlockhostStore {
  return new BlockhostStore(helperOf(config));
}

function helperOf({ settings }: Config): HelperClient {
  const program = fs.realpathSync(process.argv[1] ?? '');
  const directory = path.join(path.dirname(program), 'store_helper');
  return new HelperClient(helperCommand(directory, settings));
}
