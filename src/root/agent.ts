import * as net from 'node:net';
import { errnoOf, LostError, messageOf, ProvisionerError } from '../errors.ts';
import { poll } from '../host/time.ts';
import type { Transport } from './remote.ts';

/** What a handler may take at the very most; a busy agent works on other clients' requests before. */
const DEADLINE_MS = 120_000;
const MAX_REPLY = 10 * 1024 * 1024;
/** Whoever restarts the agent takes its socket away for a moment; a request that was not sent can wait. */
const PATIENCE_MS = 15_000;

/** Nobody listens. */
class AbsentError extends ProvisionerError {}

/**
 * Requests by BlockHost's root agent (contract §7): one exchange per connection, each direction four bytes of
 * length, big endian, then JSON. Our action module there passes them on to `blockhost-qemu root`.
 */
export function agentTransport(socketPath: string, patienceMs = PATIENCE_MS): Transport {
  return async (name, params) => {
    const reply = await patiently(patienceMs, () =>
      exchange(socketPath, { action: `qemu-${name}`, params }),
    );
    try {
      return JSON.parse(reply.toString('utf8')) as unknown;
    } catch (cause) {
      throw new ProvisionerError('the root agent answered with what is not JSON', { cause });
    }
  };
}

async function patiently<T>(deadlineMs: number, attempt: () => Promise<T>): Promise<T> {
  let absent: unknown;
  const once = async (): Promise<{ done: T } | undefined> => {
    try {
      return { done: await attempt() };
    } catch (error) {
      if (!(error instanceof AbsentError)) throw error;
      absent = error;
      return undefined;
    }
  };
  const result = await poll(once, { deadlineMs, everyMs: 200 });
  if (result === undefined) throw absent;
  return result.done;
}

function exchange(socketPath: string, message: unknown): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = net.createConnection({ path: socketPath });
    const hint = 'see systemctl status blockhost-root-agent';
    let sent = false;
    const fail = (why: string, cause?: unknown): void => {
      socket.destroy();
      // One that was heard may have done its work.
      const Failure = sent ? LostError : isAbsence(cause) ? AbsentError : ProvisionerError;
      reject(new Failure(`the root agent ${why}`, { hint, cause }));
    };
    socket.setTimeout(DEADLINE_MS, () => fail(`did not answer within ${DEADLINE_MS / 1000} s`));
    socket.once('error', (error) => fail(reasonOf(error, socketPath), error));
    socket.once('connect', () => {
      sent = true;
      socket.write(frame(message));
    });
    let received = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (received.length < 4) return;
      const length = received.readUInt32BE(0);
      if (length > MAX_REPLY) return fail(`announced a reply of ${length} bytes`);
      if (received.length < 4 + length) return;
      socket.destroy();
      resolve(received.subarray(4, 4 + length));
    });
    socket.once('end', () => fail('closed the connection without a reply'));
  });
}

function frame(message: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(message), 'utf8');
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ECONNREFUSED'].includes(errnoOf(error) ?? '');
}

function reasonOf(error: unknown, socketPath: string): string {
  if (isAbsence(error)) return `is not running (nobody listens on ${socketPath})`;
  switch (errnoOf(error)) {
    case 'EACCES':
      return `may not be used by this user (${socketPath})`;
    default:
      return `cannot be reached: ${messageOf(error)}`;
  }
}
