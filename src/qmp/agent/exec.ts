import { monotonicMs, sleep } from '../../host/time.ts';
import { type CallOptions, type Limits, limitsOf } from '../transport/bounded.ts';
import { decodeBase64 } from './base64.ts';
import type { AgentClient } from './client.ts';
import { AgentTimeoutError } from './errors.ts';
import { AgentLease, type AgentOpener } from './lease.ts';
import type { AgentResult } from './results.ts';

export interface GuestExecRequest extends CallOptions {
  path: string;
  args?: readonly string[] | undefined;
  env?: readonly string[] | undefined;
  /** The command's stdin; without it, stdin is /dev/null. */
  inputData?: string | Uint8Array | undefined;
  /** Default true. */
  captureOutput?: boolean | undefined;
  /** For the command to end. Default 60 s. */
  deadlineMs?: number | undefined;
  /** For the agent to answer at all and start the command. Default 5 s. */
  answerMs?: number | undefined;
}

export interface GuestExecResult {
  exitCode: number | undefined;
  signal: number | undefined;
  stdout: Buffer;
  stderr: Buffer;
  /** The agent keeps 16 MiB of each. */
  stdoutTruncated: boolean;
  stderrTruncated: boolean;
}

/** Two outputs of 16 MiB in base64, and the words around them. */
const STATUS_REPLY_BYTES = 2 * Math.ceil((16 * 1024 * 1024 * 4) / 3) + 64 * 1024;
/** A status reply can be 43 MB, and an emulated guest sends one or two in a second. */
const STATUS_MS = 60_000;
/** An agent that was there when the command began, and does not answer a ping for so long, has died. */
const ALIVE_MS = 10_000;
const FIRST_PAUSE_MS = 5;
const LAST_PAUSE_MS = 200;
/** From this pace on an opener's connection is closed between polls. */
const RELEASE_MS = 100;

/**
 * Runs a command in the guest and waits for its end. It is started at most once, and never stopped by us: the
 * agent cannot do that, so after a deadline or an abort it may still be running. Given an opener instead of an
 * open agent, the agent's only socket is free for others between the slow polls of a long-running command.
 */
export async function guestExec(
  agent: AgentClient | AgentOpener,
  request: GuestExecRequest,
): Promise<GuestExecResult> {
  const limits = limitsOf(request, 60_000);
  const lease = new AgentLease(agent);
  try {
    const start = limitsOf({ deadlineMs: request.answerMs }, 5000);
    const first = await lease.get(left(limits, start));
    const { pid } = await first.execute('guest-exec', argumentsOf(request), left(limits, start));
    return await waitForEnd(lease, pid, limits);
  } finally {
    lease.release();
  }
}

async function waitForEnd(
  lease: AgentLease,
  pid: number,
  limits: Limits,
): Promise<GuestExecResult> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.4, LAST_PAUSE_MS)) {
    let answer = limitsOf({}, ALIVE_MS);
    let status: AgentResult<'guest-exec-status'>;
    try {
      const agent = await lease.get(left(limits, answer));
      await agent.execute('guest-ping', undefined, left(limits, answer));
      answer = limitsOf({}, STATUS_MS);
      status = await agent.execute(
        'guest-exec-status',
        { pid },
        { ...left(limits, answer), maxReplyBytes: STATUS_REPLY_BYTES },
      );
    } catch (error) {
      if (error instanceof AgentTimeoutError && limits.end <= answer.end)
        throw unfinished(pid, limits, error);
      throw error;
    }
    if (status.exited) return resultOf(status);
    if (monotonicMs() + pause >= limits.end) throw unfinished(pid, limits, undefined);
    if (pause >= RELEASE_MS) lease.release();
    await sleep(pause, limits.signal);
  }
}

/** What is left of the shorter of two limits. */
function left(whole: Limits, step: Limits): CallOptions {
  return { deadlineMs: Math.min(whole.end, step.end) - monotonicMs(), signal: whole.signal };
}

function argumentsOf(request: GuestExecRequest) {
  const { path, args, env, inputData, captureOutput } = request;
  return {
    path,
    ...(args === undefined ? {} : { arg: [...args] }),
    ...(env === undefined ? {} : { env: [...env] }),
    ...(inputData === undefined ? {} : { 'input-data': base64Of(inputData) }),
    'capture-output': captureOutput ?? true,
  };
}

function base64Of(data: string | Uint8Array): string {
  const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data);
  return bytes.toString('base64');
}

function resultOf(status: AgentResult<'guest-exec-status'>): GuestExecResult {
  return {
    exitCode: status.exitcode,
    signal: status.signal,
    stdout: decodeBase64(status['out-data'] ?? '', 'out-data'),
    stderr: decodeBase64(status['err-data'] ?? '', 'err-data'),
    stdoutTruncated: status['out-truncated'] ?? false,
    stderrTruncated: status['err-truncated'] ?? false,
  };
}

function unfinished(pid: number, limits: Limits, cause: unknown): AgentTimeoutError {
  return new AgentTimeoutError(
    `the command did not finish within ${limits.deadlineMs} ms; process ${pid} may still be running in the guest`,
    { command: 'guest-exec', cause },
  );
}
