import { BusyError, ProvisionerError } from '../errors.ts';
import { freeBytes } from '../host/free-space.ts';
import type { QmpClient } from '../qmp/client.ts';
import { withQmp } from '../qmp/with-qmp.ts';
import type { VmConfig } from '../store/vm-config.ts';
import { MiB, type VmName } from '../types.ts';
import { deadlineOf } from './haste.ts';
import type { RootContext } from './host.ts';
import { isBeginning, observe } from './observe.ts';
import type { Started } from './root-side.ts';

/** QEMU puts the writes that failed again as soon as it goes on: when they fail once more, that is soon. */
const AGAIN_MS = 250;

/**
 * Lets a paused guest go on, which waits for its user, or for room on the host's disk.
 * @param limits the VM's.
 * @returns undefined when it has not begun yet.
 * @throws ProvisionerError when it cannot: it has panicked, or there is still no room.
 * @throws BusyError in haste, when QEMU has not told its state in time.
 */
export async function goOn(
  context: RootContext,
  name: VmName,
  limits: VmConfig['limits'],
): Promise<Started | undefined> {
  const patienceMs = deadlineOf(context, limits);
  const { state, qemuStatus = '' } = await observe(context, name, patienceMs);
  if (isBeginning(qemuStatus)) return undefined;
  if (state === 'unknown') {
    // A slow one is given the patience that is not to be had in haste: whoever asked asks again.
    const Failure = context.inHaste === true ? BusyError : ProvisionerError;
    throw new Failure(`VM ${name}: its QEMU is alive, but does not say whether the guest runs`, {
      hint: `try again; if it stays so, run kill ${name}, then start ${name}`,
    });
  }
  if (state !== 'paused') return { outcome: 'running' };
  if (qemuStatus !== 'paused' && qemuStatus !== 'io-error') {
    throw new ProvisionerError(`VM ${name} cannot go on: QEMU says ${qemuStatus}`, {
      hint: `run kill ${name}, then start ${name}`,
    });
  }
  const { paths, signal } = context;
  const again = await withQmp(
    paths.vm(name).qmp,
    async (qmp) => {
      const stops = qemuStatus === 'io-error' ? stopsAgain(qmp, signal) : undefined;
      await qmp.execute('cont', undefined, { signal });
      return await stops;
    },
    { patienceMs, signal },
  );
  if (again !== true) return { outcome: 'continued' };
  const free = Math.floor(freeBytes(paths.state) / MiB);
  throw new ProvisionerError(
    `VM ${name} is paused again: its disk still cannot be written, ${free} MB are free in ${paths.state}`,
    { hint: `free some space there, then start ${name} again: nothing is lost` },
  );
}

function stopsAgain(qmp: QmpClient, signal: AbortSignal): Promise<boolean> {
  const stopped = qmp.once('STOP', { deadlineMs: AGAIN_MS, signal });
  return stopped.then(
    () => true,
    () => false,
  );
}
