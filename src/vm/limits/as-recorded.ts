import { ProvisionerError } from '../../errors.ts';
import { runningIncarnation } from '../../store/incarnation.ts';
import { readVmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import type { Host } from '../host.ts';

/** What is in force for a VM that runs follows what is written, which the next start goes by. Its lock is held. */
export async function limitAsRecorded(host: Host, name: VmName): Promise<void> {
  const files = host.paths.vm(name);
  if (runningIncarnation(files) === undefined) return;
  const limits = readVmConfig(name, files).limits ?? {};
  const { failed } = await host.root.limit({ name, limits });
  if (failed.length > 0) throw new ProvisionerError(failed.map(({ error }) => error).join('; '));
}
