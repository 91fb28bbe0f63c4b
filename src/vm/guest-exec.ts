import { NotFoundError, ProvisionerError } from '../errors.ts';
import { AgentClient } from '../qmp/agent/client.ts';
import { guestExec } from '../qmp/agent/exec.ts';
import { isAgentOpen } from '../qmp/agent/is-open.ts';
import type { CallOptions } from '../qmp/transport/bounded.ts';
import { withQmp } from '../qmp/with-qmp.ts';
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

/** An agent that says nothing for so long is dead: callers have little time (contract §2.5). */
const ANSWER_MS = 3500;
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
  const opener = (options: CallOptions) => AgentClient.open(host.paths.vm(name).agent, options);
  const result = await guestExec(opener, {
    path: '/bin/sh',
    // POSIX sh ends its options at `--`: a command may begin with a dash.
    args: ['-c', '--', long ? FROM_STDIN : command],
    ...(long ? { inputData: Buffer.from(command) } : {}),
    deadlineMs,
    answerMs: ANSWER_MS,
    signal: host.signal,
  });
  return {
    stdout: result.stdout,
    stderr: result.stderr,
    exitCode: exitCodeOf(result.exitCode ?? 128 + (result.signal ?? 0)),
    truncated: result.stdoutTruncated || result.stderrTruncated,
  };
}

/** Of a process on Linux; another guest may have larger codes, of which the kernel would keep the lowest byte, 0 perhaps. */
export function exitCodeOf(code: number): number {
  return code >= 0 && code <= 255 ? code : 255;
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
    files.probe,
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
