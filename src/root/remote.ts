import * as z from 'zod/mini';
import { BusyError, InputError, NotFoundError, ProvisionerError } from '../errors.ts';
import { describeMismatch } from '../host/mismatch.ts';
import { monotonicMs, sleep } from '../host/time.ts';
import type { VmConfig } from '../store/vm-config.ts';
import type { RootContext } from '../vm/host.ts';
import type { Ended, EndVm, RootSide, Started } from '../vm/root-side.ts';
import { UndoError } from '../vm/steps.ts';
import { REQUESTS, type Refusal, Reply, type RequestName } from './requests.ts';

/** Carries one request to the root side and brings its reply, which is not trusted yet. */
export type Transport = (name: RequestName, params: unknown) => Promise<unknown>;

/** The root side answers in well under a second; longer waits are many short ones. */
const SLICE_MS = 400;
/** How long another request for the same VM may hold us up. */
const BUSY_MS = 15_000;

/** The root side in another process. */
export function remoteRoot(transport: Transport, context: RootContext): RootSide {
  const call = (name: RequestName, params: unknown): Promise<unknown> =>
    patient(() => callOnce(transport, context, name, params));
  return {
    createFiles: async (request) => (await call('vm-create', request)) as VmConfig,
    start: async (request) => (await call('vm-start', request)) as Started,
    async end(request) {
      const end = monotonicMs() + request.wait_ms;
      for (let ran = false; ; ) {
        const left = Math.max(0, end - monotonicMs());
        const slice: EndVm = { ...request, wait_ms: Math.round(Math.min(left, SLICE_MS)) };
        const ended = (await call('vm-stop', slice)) as Ended;
        ran ||= ended.ran;
        if (ended.gone || left <= SLICE_MS) return { ran, gone: ended.gone };
      }
    },
    async remove(request) {
      await call('vm-remove', request);
    },
  };
}

async function callOnce(
  transport: Transport,
  context: RootContext,
  name: RequestName,
  params: unknown,
): Promise<unknown> {
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
  const result = z.safeParse(REQUESTS[name].result, reply.data.result);
  if (result.success) return result.data;
  throw new ProvisionerError(
    `the root side's result of ${name} is not as expected: ${describeMismatch(result.error, reply.data.result)}`,
  );
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
