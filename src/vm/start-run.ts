import { ProvisionerError } from '../errors.ts';
import type { VmFiles } from '../host/paths.ts';
import { runningIncarnation } from '../store/incarnation.ts';
import { noteEnd } from '../store/last-run.ts';
import { readVmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import { assertDisks } from './assert-disks.ts';
import { processesOf } from './end-qemu.ts';
import { goOn } from './go-on.ts';
import type { RootContext } from './host.ts';
import { withFreePort } from './ports.ts';
import { repair } from './protection.ts';
import { endRun } from './remove.ts';
import type { Started, StartVm } from './root-side.ts';
import { prepareStart, releaseStart } from './start-context.ts';
import { openToGroup, START_STEPS } from './start-steps.ts';
import { runSteps } from './steps.ts';

/** Starts QEMU and continues the guest. When it fails the VM is off, as it was. */
export async function startRun(context: RootContext, { name }: StartVm): Promise<Started> {
  const files = context.paths.vm(name);
  const found = readVmConfig(name, files);
  if (runningIncarnation(files) !== undefined) {
    const going = await goOn(context, name, found.limits);
    if (going !== undefined) {
      // What a start that was killed at its very end has not come to, or somebody else has taken away.
      openToGroup(files);
      await repair(found);
      return going;
    }
    // A start that was interrupted has left it: it is begun anew.
    const { gone } = await endRun(context, { name, by: 'start', how: 'kill', wait_ms: KILL_MS });
    if (!gone) throw new ProvisionerError(`VM ${name}: a QEMU that never ran does not end`);
  }
  assertNoStranger(name, files);
  await assertDisks(context, name, found);
  const config = await withFreePort(context, files, found);
  const start = await prepareStart(context, name, config);
  // What is left of the run before tells how it ended; now it goes.
  noteEnd(files, 'start', false);
  try {
    await runSteps(START_STEPS, start, context);
  } finally {
    await releaseStart(start);
  }
  return { outcome: 'started' };
}

const KILL_MS = 500;

/** Going on would take the sockets from a QEMU that runs, and its end would then be ours. */
function assertNoStranger(name: VmName, files: VmFiles): void {
  const [stranger] = processesOf(files);
  if (stranger === undefined) return;
  throw new ProvisionerError(
    `VM ${name}: QEMU runs (pid ${stranger.pid}), but ${files.process} does not tell of it`,
    { hint: `run kill ${name}, then start ${name}` },
  );
}
