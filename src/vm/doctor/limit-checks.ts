import type { VmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import type { Host } from '../host.ts';
import { limitAsRecorded } from '../limits/as-recorded.ts';
import { hasAny } from '../limits/merge.ts';
import { networkLimits } from '../limits/network.ts';
import { disagreeing, showLimits } from '../limits/throttle.ts';
import { limitLine, limitValue } from '../limits/words.ts';
import { withVmLock } from '../lock.ts';
import type { Finding } from './finding.ts';

/**
 * Limits of CPU and disk of a VM that runs and whose QEMU answers, which somebody else has changed. What its card may do is
 * looked at for all VMs at once.
 */
export async function limitFindings(
  host: Host,
  name: VmName,
  { limits = {} }: VmConfig,
): Promise<Finding[]> {
  if (!hasAny(limits)) return [];
  const shown = await showLimits(host, name);
  return disagreeing(shown)
    .filter((key) => !networkLimits.keys.includes(key))
    .map((key) => ({
      ...{ severity: 'warning', code: 'limit', subject: name, remedy: 'run doctor --repair' },
      problem: `${limitLine(key, shown.requested[key])} was asked for, but ${limitValue(key, shown.inForce?.[key])} is in force`,
      mend: () => withVmLock(host, name, 'doctor', () => limitAsRecorded(host, name), 0),
    }));
}
