import { NotFoundError, ProvisionerError } from '../errors.ts';
import { guestExec } from '../qmp/agent/exec.ts';
import { isAgentOpen } from '../qmp/agent/open.ts';
import { withQmp } from '../qmp/client.ts';
import { runningIncarnation } from '../store/incarnation.ts';
import type { VmName } from '../types.ts';
import type { Host } from './host.ts';

export interface GuestResult {
  stdout: Buffer;
  stderr: Buffer;
  exitCode: number;
  /** The agent keeps 16 MiB of each stream. */
  truncated: boolean;
}

/** Linux takes at most 128 KiB in one argument (MAX_ARG_STRLEN, execve(2)); longer scripts go by stdin. */
const MAX_ARGUMENT = 120_000;
const FROM_STDIN =
  'f=$(mktemp) && cat >"$f" && { /bin/sh "$f" </dev/null; c=$?; rm -f "$f"; exit $c; }';

/**
 * Runs a shell command in the guest and waits for its end.
 * @throws ProvisionerError within 5 s when guest or agent do not answer, and at the deadline.
 */
export async function runInGuest(
  host: Host,
  name: VmName,
  command: string,
  deadlineMs: number,
): Promise<GuestResult> {
  await assertAgent(host, name);
  const long = Buffer.byteLength(command) > MAX_ARGUMENT;
  const result = await guestExec(host.paths.vm(name).agent, {
    path: '/bin/sh',
    args: ['-c', long ? FROM_STDIN : command],
    ...(long ? { inputData: Buffer.from(command) } : {}),
    deadlineMs,
    signal: host.signal,
  });
  return {
    stdout: result.stdout,
    stderr: result.stderr,
    exitCode: result.exitCode ?? 128 + (result.signal ?? 0),
    truncated: result.stdoutTruncated || result.stderrTruncated,
  };
}

/** QEMU knows whether anybody in the guest has the agent's port open: no need to wait for silence. */
async function assertAgent(host: Host, name: VmName): Promise<void> {
  const files = host.paths.vm(name);
  if (runningIncarnation(files) === undefined) {
    if ((await host.store.get(name)) === undefined)
      throw new NotFoundError(`VM ${name} does not exist`);
    throw new ProvisionerError(`VM ${name} is not running`, { hint: `run start ${name} first` });
  }
  const { open, status } = await withQmp(
    files.qmp,
    async (qmp) => ({
      open: await isAgentOpen(qmp),
      status: (await qmp.execute('query-status')).status,
    }),
    { deadlineMs: 2000, signal: host.signal },
  );
  if (status !== 'running') {
    throw new ProvisionerError(`VM ${name} does not run: QEMU says ${status}`);
  }
  if (open) return;
  throw new ProvisionerError(`VM ${name}: the guest agent is not running in the guest`, {
    hint: 'wait for the guest to boot, or install qemu-guest-agent in it',
  });
}
