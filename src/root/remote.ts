import * as path from 'node:path';
import * as z from 'zod/mini';
import {
  BusyError,
  InputError,
  LostError,
  mayAskAgain,
  NotFoundError,
  ProvisionerError,
} from '../errors.ts';
import { describeMismatch } from '../host/mismatch.ts';
import { monotonicMs, sleep } from '../host/time.ts';
import { findTemplate } from '../image/template-store.ts';
import type { RootContext } from '../vm/host.ts';
import type { Limited, RootSide } from '../vm/root-side.ts';
import { UndoError } from '../vm/steps.ts';
import {
  type Params,
  REQUESTS,
  type Refusal,
  Reply,
  type RequestName,
  type Result,
  type SessionRequest,
} from './requests.ts';

/** Carries one request to the root side and brings its reply, which is not trusted yet. */
export type Transport = (name: RequestName, params: unknown) => Promise<unknown>;

/** The root side answers soon; longer waits are many short ones. */
const SLICE_MS = 400;
/** How long another request for the same VM may hold us up, or a QEMU with little CPU time. */
const BUSY_MS = 15_000;

/** The root side in another process. */
export function remoteRoot(transport: Transport, context: RootContext): RootSide {
  const call = <N extends RequestName>(name: N, params: Params<N>): Promise<Result<N>> =>
    patient(() => callOnce(transport, context, name, params));
  const session = <N extends SessionRequest>(name: N, params: Params<N>): Promise<Result<N>> =>
    cancellable(transport, context, name, params);
  return {
    createFiles: (request) => call('vm-create', request),
    start: (request) => call('vm-start', request),
    async end(request) {
      const end = monotonicMs() + request.wait_ms;
      for (let ran = false; ; ) {
        const left = Math.max(0, end - monotonicMs());
        const ended = await call('vm-stop', {
          ...request,
          wait_ms: Math.round(Math.min(left, SLICE_MS)),
        });
        ran ||= ended.ran;
        if (ended.gone || left <= SLICE_MS) return { ran, gone: ended.gone };
      }
    },
    async limit(request) {
      const end = monotonicMs() + BUSY_MS;
      const ask = (): Promise<Limited> => call('vm-limits', request);
      // On a busy host the root agent may end it before it is through; all of it is done again.
      let limited = await ask().catch((error) =>
        mayAskAgain(error) ? ask() : Promise.reject(error),
      );
      while (limited.again && monotonicMs() < end && !context.signal.aborted) {
        await sleep(100);
        limited = await ask();
      }
      return limited;
    },
    care: (request) => call('host-care', request),
    async remove(request) {
      await call('vm-remove', request);
    },
    async settleBackup(request) {
      await call('vm-settle', request);
    },
    backup: {
      begin: (request) => session('backup-begin', request),
      write: () => session('backup-write', {}),
      async end(request) {
        await callOnce(transport, context, 'backup-end', request);
      },
    },
    restore: {
      verify: () => session('restore-verify', {}),
      async fill(request) {
        await session('restore-fill', request);
      },
    },
    async publish(stagingDir, facts, { makeCurrent }) {
      const token = path.basename(stagingDir);
      // What can be found out is found out there.
      const { sha256: _, imageSha256: __, virtualSize: ___, ...claimed } = facts;
      const request = { token, ...claimed, make_current: makeCurrent };
      for (;;) {
        const answer = await call('template-publish', request);
        if (answer.state === 'done') return findTemplate(context.paths, answer.published.id);
        await sleep(500, context.signal);
      }
    },
  };
}

async function callOnce<N extends RequestName>(
  transport: Transport,
  context: RootContext,
  name: N,
  params: Params<N>,
): Promise<Result<N>> {
  const raw = await transport(name, params);
  const reply = z.safeParse(Reply, raw);
  if (!reply.success) {
    throw new ProvisionerError(
      `the root side's reply to ${name} is not as expected: ${describeMismatch(reply.error, raw)}`,
    );
  }
  if (!reply.data.ok) throw errorOf(reply.data);
  for (const line of reply.data.notes) context.report(line);
  for (const line of reply.data.details) context.verbose(line);
  const { result } = reply.data;
  const checked = z.safeParse(REQUESTS[name].result, result);
  // The schema was chosen by the name, which the compiler cannot follow through a lookup.
  if (checked.success) return checked.data as Result<N>;
  throw new ProvisionerError(
    `the root side's result of ${name} is not as expected: ${describeMismatch(checked.error, result)}`,
  );
}

/** What takes long ends when this command is interrupted, which is then what it failed for. */
async function cancellable<N extends SessionRequest>(
  transport: Transport,
  context: RootContext,
  name: N,
  params: Params<N>,
): Promise<Result<N>> {
  const { signal } = context;
  signal.throwIfAborted();
  const cancel = (): void => {
    // What it ends is answered: nothing else is waited for.
    transport('cancel', {}).catch(() => undefined);
  };
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await callOnce(transport, context, name, params);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

/** A command that was killed may have left a request under way: the next one waits for it. */
async function patient<T>(attempt: () => Promise<T>): Promise<T> {
  const end = monotonicMs() + BUSY_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof BusyError) || monotonicMs() > end) throw error;
    }
    await sleep(100);
  }
}

function errorOf({ error, hint, detail, kind }: Refusal): ProvisionerError {
  const options = { hint, detail };
  switch (kind) {
    case 'undo':
      return new UndoError(error, options);
    case 'lost':
      return new LostError(error, options);
    case 'busy':
      return new BusyError(error, options);
    case 'not-found':
      return new NotFoundError(error, options);
    case 'input':
      return new InputError(error, options);
    default:
      return new ProvisionerError(error, options);
  }
}
