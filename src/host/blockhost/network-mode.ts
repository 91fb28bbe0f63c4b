import * as fs from 'node:fs';
import * as path from 'node:path';
import { errnoOf, ProvisionerError } from '../../errors.ts';
import { quote } from '../../types.ts';

/**
 * The one network mode that is enabled on this host (contract §3): the name of the one *.json there.
 * @throws ProvisionerError when there is none, or more than one, or a link to nothing.
 */
export function readNetworkMode(etc: string): string {
  const directory = path.join(etc, 'network-modes.enabled');
  const files = list(directory).filter((name) => name.endsWith('.json'));
  const [file, ...others] = files;
  if (file === undefined) {
    throw new ProvisionerError(`no network mode is enabled in ${directory}`, {
      hint: 'finish the setup wizard, or run blockhost-network-hook enable MODE',
    });
  }
  if (others.length > 0) {
    throw new ProvisionerError(
      `${files.length} network modes are enabled in ${directory}, one was expected`,
      { hint: 'disable all but one of them' },
    );
  }
  if (!fs.existsSync(path.join(directory, file))) {
    throw new ProvisionerError(`${path.join(directory, file)} is a link to nothing`, {
      hint: 'install the network plugin again, or enable another mode',
    });
  }
  const mode = file.slice(0, -'.json'.length);
  if (/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/.test(mode)) return mode;
  throw new ProvisionerError(`${quote(mode)} in ${directory} is no name of a network mode`);
}

function list(directory: string): string[] {
  try {
    return fs.readdirSync(directory).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
