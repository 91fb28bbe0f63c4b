import { ProvisionerError } from '../errors.ts';
import { withQmp } from '../qmp/with-qmp.ts';
import { readVmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import type { Host } from './host.ts';
import { withVmLock } from './lock.ts';
import { observe } from './observe.ts';
import { recover } from './recover.ts';

/** Halts the guest's CPUs; its memory stays. `start` lets it go on. @returns false when it was paused already. */
export function pauseVm(host: Host, name: VmName): Promise<boolean> {
  return withVmLock(host, name, 'pause', async () => {
    await recover(host, name);
    const files = host.paths.vm(name);
    readVmConfig(name, files);
    const { state, qemuStatus } = await observe(host, name);
    if (state === 'paused' && qemuStatus === 'paused') return false;
    if (state !== 'running') {
      throw new ProvisionerError(
        state === 'stopped'
          ? `VM ${name} is not running`
          : `VM ${name} cannot be paused: QEMU says ${qemuStatus ?? 'nothing'}`,
        { hint: state === 'stopped' ? `run start ${name} first` : undefined },
      );
    }
    await withQmp(files.qmp, (qmp) => qmp.execute('stop'), { signal: host.signal });
    return true;
  });
}
