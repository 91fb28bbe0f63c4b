import * as fs from 'node:fs';
import { ProvisionerError } from '../errors.ts';
import type { VmFiles } from '../host/paths.ts';
import { findTemplate } from '../image/template-store.ts';
import { withQmp } from '../qmp/with-qmp.ts';
import { runningIncarnation } from '../store/incarnation.ts';
import { readVmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import { processesOf } from './end.ts';
import type { Host } from './host.ts';
import { Journal, runJournaled } from './journal.ts';
import { withVmLock } from './lock.ts';
import { observe } from './observe.ts';
import { withFreePort } from './ports.ts';

import { recover } from './recover.ts';
import { prepareStart, releaseStart, type StartContext } from './start-context.ts';
import { START_STEPS } from './start-steps.ts';

/** @returns false when the VM was running already; one that was paused goes on. */
export function startVm(host: Host, name: VmName): Promise<boolean> {
  return withVmLock(host, name, 'start', async () => {
    await recover(host, name);
    const files = host.paths.vm(name);
    const found = readVmConfig(name, files);
    if (runningIncarnation(files) !== undefined) return await resume(host, name);
    assertNoStranger(name, files);
    const config = await withFreePort(host, files, found);
    const context = await prepareStart(host, config);
    assertDisks(context);
    try {
      await runJournaled(host, new Journal(host, name, 'start'), START_STEPS, context);
    } finally {
      await releaseStart(context);
    }
    return true;
  });
}

/** A paused guest waits for its user, or for room on the host's disk. One that has panicked cannot go on. */
async function resume(host: Host, name: VmName): Promise<boolean> {
  const { state, qemuStatus } = await observe(host, name);
  if (state !== 'paused') return false;
  if (qemuStatus !== 'paused' && qemuStatus !== 'io-error') {
    throw new ProvisionerError(`VM ${name} cannot go on: QEMU says ${qemuStatus}`, {
      hint: `run kill ${name}, then start ${name}`,
    });
  }
  await withQmp(host.paths.vm(name).qmp, (qmp) => qmp.execute('cont'), { signal: host.signal });
  return true;
}

/** Going on would take the sockets from a QEMU that runs, and its end would then be ours. */
function assertNoStranger(name: VmName, files: VmFiles): void {
  const [stranger] = processesOf(files);
  if (stranger === undefined) return;
  throw new ProvisionerError(
    `VM ${name}: QEMU runs (pid ${stranger.pid}), but ${files.process} does not tell of it`,
    { hint: `run kill ${name}, then start ${name}` },
  );
}

/** What a start needs and `create` has just made: said by name when it is missing. */
function assertDisks({ files, host, name, config }: StartContext): void {
  findTemplate(host.paths, config.template);
  for (const [what, file] of [
    ['disk', files.disk],
    ['seed', files.seed],
  ] as const) {
    if (fs.existsSync(file)) continue;
    throw new ProvisionerError(`VM ${name}: its ${what} is missing (${file})`, {
      hint: 'restore the file, or destroy the VM',
    });
  }
}
