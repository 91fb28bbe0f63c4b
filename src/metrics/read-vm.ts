import type { Paths } from '../host/paths.ts';
import type { VmName } from '../types.ts';
import { readFresh } from './published.ts';
import { sampleVm } from './sample.ts';
import type { Records } from './view.ts';

/** What a VM uses: as published when that is fresh, else by a sample of our own. @throws as sampleVm. */
export async function readVm(
  paths: Paths,
  name: VmName,
  options: { extended: boolean },
): Promise<Records> {
  return readFresh(paths.published(name)) ?? (await sampleVm(paths, name, options));
}
