import { stripVTControlCharacters } from 'node:util';
import { messageOf, ProvisionerError } from '../errors.ts';
import { readFileIfExists } from '../host/files.ts';
import { monotonicMs, sleep } from '../host/time.ts';
import { AgentClient } from '../qmp/agent/client.ts';
import { guestExec } from '../qmp/agent/exec.ts';
import { isAgentOpen } from '../qmp/agent/is-open.ts';
import { withQmp } from '../qmp/with-qmp.ts';
import { runningIncarnation } from '../store/incarnation.ts';
import { DEVICE, type VmName } from '../types.ts';
import type { Host } from './host.ts';

/** Ready = the guest agent answers and the user account exists (contract §5). */
export async function waitUntilReady(
  host: Host,
  name: VmName,
  username: string,
  onAgent: (seconds: number) => void,
): Promise<void> {
  const began = monotonicMs();
  const limit = host.settings.ready_timeout;
  const left = (): number => limit * 1000 - (monotonicMs() - began);
  await waitForAgent(host, name, left);
  onAgent((monotonicMs() - began) / 1000);
  await waitForUser(host, name, username, left);
}

/** QEMU tells when something in the guest opens the agent's port: no polling while the guest boots. */
async function waitForAgent(host: Host, name: VmName, left: () => number): Promise<void> {
  const files = host.paths.vm(name);
  try {
    await withQmp(
      files.qmp,
      async (qmp) => {
        const opened = qmp.once('VSERPORT_CHANGE', {
          deadlineMs: left(),
          signal: host.signal,
          filter: ({ data }) => data.open && data.id === DEVICE.agent,
        });
        opened.catch(() => undefined);
        if (!(await isAgentOpen(qmp))) await opened;
      },
      { signal: host.signal },
    );
  } catch (cause) {
    host.signal.throwIfAborted();
    assertAlive(host, name);
    throw new ProvisionerError(
      `VM ${name}: no guest agent within ${host.settings.ready_timeout} s`,
      {
        hint: 'the image needs qemu-guest-agent; --verbose shows the end of its console',
        detail: consoleTail(host, name),
        cause,
      },
    );
  }
}

/** Asked once, the guest waits by itself: an exec per look would slow the boot it waits for. */
async function waitForUser(
  host: Host,
  name: VmName,
  username: string,
  left: () => number,
): Promise<void> {
  const files = host.paths.vm(name);
  const script = `i=0; until id -u '${username}' >/dev/null 2>&1; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.2; done`;
  let last = 'the account was not made';
  while (left() > 0) {
    assertAlive(host, name);
    try {
      const result = await guestExec((options) => AgentClient.open(files.agent, options), {
        path: '/bin/sh',
        args: ['-c', script],
        deadlineMs: Math.min(left(), 30_000),
        signal: host.signal,
      });
      if (result.exitCode === 0) return;
    } catch (error) {
      host.signal.throwIfAborted();
      last = messageOf(error);
    }
    await sleep(200, host.signal);
  }
  throw new ProvisionerError(
    `VM ${name}: user ${username} does not exist in the guest after ${host.settings.ready_timeout} s`,
    {
      hint: 'check the cloud-init content; see --verbose',
      detail: `${last}\n${consoleTail(host, name)}`,
    },
  );
}

function assertAlive(host: Host, name: VmName): void {
  if (runningIncarnation(host.paths.vm(name)) !== undefined) return;
  throw new ProvisionerError(`VM ${name} powered off before it was ready`, {
    hint: '--verbose shows the end of its console',
    detail: consoleTail(host, name),
  });
}

/** The guest chose these bytes: control characters other than line ends are dropped. */
export function consoleTail(host: Host, name: VmName): string {
  const text = readFileIfExists(host.paths.vm(name).consoleLog) ?? '';
  return stripVTControlCharacters(text.slice(-4000))
    .replaceAll(/[^\n\x20-\x7e]/g, '')
    .split('\n')
    .slice(-20)
    .join('\n');
}
