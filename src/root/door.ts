import * as fs from 'node:fs';
import * as z from 'zod/mini';
import { BusyError, InputError, messageOf, NotFoundError, ProvisionerError } from '../errors.ts';
import { explainAccess } from '../host/config.ts';
import { type Lock, lockFile } from '../host/lock.ts';
import { describeMismatch } from '../host/mismatch.ts';
import type { Paths } from '../host/paths.ts';
import { quote, type VmName } from '../types.ts';
import type { RootContext } from '../vm/host.ts';
import type { RootSide } from '../vm/root-side.ts';
import { UndoError } from '../vm/steps.ts';
import { localRoot } from './local.ts';
import { isRequestName, REQUESTS, type Refusal, type Reply } from './requests.ts';

/** Whoever waits behind a door holds others up: another request for the same VM gets this long. */
const TURN_MS = 400;

/**
 * Answers one request of the unprivileged side. Never throws: a bad request, like a failure, is a reply.
 * @param text the parameters, as JSON.
 */
export async function answer(context: RootContext, name: string, text: string): Promise<Reply> {
  const notes: string[] = [];
  const details: string[] = [];
  const own: RootContext = {
    ...context,
    report: (line) => notes.push(line),
    verbose: (line) => details.push(line),
  };
  try {
    const result = await perform(own, name, text);
    return { ok: true, result, notes, details };
  } catch (error) {
    return refusal(explainAccess(error, context.paths));
  }
}

async function perform(context: RootContext, name: string, text: string): Promise<unknown> {
  if (!isRequestName(name)) throw new InputError(`there is no request ${quote(name)}`);
  const request = REQUESTS[name];
  const params = parse(name, text);
  const result = z.safeParse(request.params, params);
  if (!result.success) {
    throw new InputError(`request ${name}: ${describeMismatch(result.error, params)}`);
  }
  const checked = result.data as { name: VmName };
  const lock = await lockFile(context.paths.rootLock(checked.name), {
    what: `VM ${checked.name}`,
    holder: `the root side (${name})`,
    waitMs: TURN_MS,
    signal: context.signal,
  });
  try {
    const root = localRoot(context);
    // The parameters were checked against the schema that belongs to the method.
    const method = root[request.method] as (
      params: unknown,
    ) => ReturnType<RootSide[typeof request.method]>;
    return (await method(checked)) ?? {};
  } finally {
    release(lock, context.paths, checked.name);
  }
}

function parse(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new InputError(`request ${name}: the parameters are not valid JSON`);
  }
}

/** The lock of a VM that is not there would be a leftover. */
function release(lock: Lock, paths: Paths, name: VmName): void {
  if (fs.existsSync(paths.vm(name).directory)) lock.release();
  else lock.remove();
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
  if (error instanceof BusyError) return 'busy';
  if (error instanceof NotFoundError) return 'not-found';
  return error instanceof InputError ? 'input' : 'failed';
}
