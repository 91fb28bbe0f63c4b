import * as fs from 'node:fs';
import { ProvisionerError } from '../errors.ts';

import { findTemplate } from '../image/template-store.ts';

import { runningIncarnation } from '../store/incarnation.ts';
import { readVmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';

import type { Host } from './host.ts';
import { Journal, runJournaled } from './journal.ts';

import { withVmLock } from './lock.ts';
import { withFreePort } from './ports.ts';

import { recover } from './recover.ts';
import { prepareStart, releaseStart, type StartContext } from './start-context.ts';
import { START_STEPS } from './start-steps.ts';

/** @returns false when the VM was running already. */
export function startVm(host: Host, name: VmName): Promise<boolean> {
  return withVmLock(host, name, 'start', async () => {
    await recover(host, name);
    const files = host.paths.vm(name);
    const found = readVmConfig(name, files);
    if (runningIncarnation(files) !== undefined) return false;
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
