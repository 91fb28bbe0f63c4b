import { NotFoundError } from '../../errors.ts';
import type { Paths } from '../../host/paths.ts';
import { readVmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { type History, readHistory } from './reader.ts';

/** The recent past of a VM. @throws NotFoundError for an unknown VM, and when nobody has sampled this one. */
export function historyOf(paths: Paths, name: VmName): History {
  const config = readVmConfig(name, paths.vm(name));
  const history = readHistory(paths.history(name));
  // One of another VM that had the name before is none of this one's.
  if (history !== undefined && history.uuid === config.uuid) return history;
  throw new NotFoundError(`VM ${name} has no history`, {
    hint: 'it is kept while blockhost-qemu-statd.service (or blockhost-qemu statd) runs',
  });
}
