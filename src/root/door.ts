import * as z from 'zod/mini';
import { BusyError, InputError, messageOf, NotFoundError, ProvisionerError } from '../errors.ts';
import { explainAccess } from '../host/config.ts';
import { describeMismatch } from '../host/mismatch.ts';
import { QmpTimeoutError } from '../qmp/errors.ts';
import { quote } from '../types.ts';
import { createFiles } from '../vm/create-files.ts';
import type { RootContext } from '../vm/host.ts';
import { careForHost } from '../vm/host-care.ts';
import { limitRun } from '../vm/limits/limit-run.ts';
import { endRun, removeFiles } from '../vm/remove.ts';
import { inTurn } from '../vm/root-turn.ts';
import { startRun } from '../vm/start-run.ts';
import { UndoError } from '../vm/steps.ts';
import { askPublish } from './publish.ts';
import {
  type DoorRequest,
  isDoorRequest,
  isRequestName,
  type Params,
  REQUESTS,
  type Refusal,
  type Reply,
  type RequestName,
  type Result,
  type SessionRequest,
} from './requests.ts';
import type { Sessions } from './sessions.ts';
import { askSettle } from './settle.ts';
import { assertRead } from './verify.ts';

/**
 * Answers one request of the unprivileged side. Never throws: a bad request, like a failure, is a reply.
 * @param text the parameters, as JSON.
 * @param sessions of a command of root's; behind the root agent there are none.
 */
export async function answer(
  context: RootContext,
  name: string,
  text: string,
  sessions?: Sessions,
): Promise<Reply> {
  const notes: string[] = [];
  const details: string[] = [];
  const own: RootContext = {
    ...context,
    report: (line) => notes.push(line),
    verbose: (line) => details.push(line),
  };
  try {
    const result = await perform(own, name, text, sessions);
    return { ok: true, result, notes, details };
  } catch (error) {
    return refusal(explainAccess(error, context.paths));
  }
}

type Handlers<N extends RequestName, With> = {
  [M in N]: (using: With, params: Params<M>) => Result<M> | Promise<Result<M>>;
};

const HANDLERS: Handlers<DoorRequest, RootContext> = {
  'vm-create': createFiles,
  async 'vm-start'(context, params) {
    await assertRead(context, params);
    return await startRun(context, params);
  },
  'vm-stop': endRun,
  'vm-limits': limitRun,
  async 'vm-remove'(context, params) {
    await removeFiles(context, params);
    return {};
  },
  'host-care': careForHost,
  'template-publish': askPublish,
  'vm-settle': askSettle,
};

/** Those that no other request of the VM waits for. */
const SESSION_HANDLERS: Handlers<SessionRequest, Sessions> = {
  'backup-begin': ({ backup }, params) => backup.begin(params),
  'backup-write': ({ backup }) => backup.write(),
  async 'backup-end'({ backup }, params) {
    await backup.end(params);
    return {};
  },
  'restore-verify': ({ restore }) => restore.verify(),
  async 'restore-fill'({ restore }, params) {
    await restore.fill(params);
    return {};
  },
  cancel(sessions) {
    sessions.cancel();
    return {};
  },
};

async function perform(
  context: RootContext,
  name: string,
  text: string,
  sessions: Sessions | undefined,
): Promise<unknown> {
  if (!isRequestName(name) || (sessions === undefined && !isDoorRequest(name)))
    throw new InputError(`there is no request ${quote(name)}`);
  const params = parse(name, text);
  const result = z.safeParse(REQUESTS[name].params, params);
  if (!result.success) {
    throw new InputError(`request ${name}: ${describeMismatch(result.error, params)}`);
  }
  // The parameters were checked by the schema that stands beside the handler's name.
  type Handle = (using: unknown, params: unknown) => unknown;
  if (!isDoorRequest(name)) return await (SESSION_HANDLERS[name] as Handle)(sessions, result.data);
  const handle = HANDLERS[name] as Handle;
  const work = async (): Promise<unknown> => await handle(context, result.data);
  return 'name' in result.data ? await inTurn(context, name, result.data.name, work) : await work();
}

function parse(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new InputError(`request ${name}: the parameters are not valid JSON`);
  }
}

function refusal(error: unknown): Refusal {
  const known = error instanceof ProvisionerError;
  return {
    ok: false,
    error: known ? error.message : `internal error: ${messageOf(error).split('\n')[0]}`,
    kind: kindOf(error),
    ...(known && error.hint !== undefined ? { hint: error.hint } : {}),
    ...(known && error.detail !== undefined ? { detail: error.detail } : {}),
  };
}

function kindOf(error: unknown): NonNullable<Refusal['kind']> {
  if (error instanceof UndoError) return 'undo';
  // A monitor that is in use, or slow, is asked again.
  if (error instanceof BusyError || error instanceof QmpTimeoutError) return 'busy';
  if (error instanceof NotFoundError) return 'not-found';
  return error instanceof InputError ? 'input' : 'failed';
}
