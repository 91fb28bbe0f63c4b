import * as z from 'zod/mini';
import { VmConfig } from '../store/vm-config.ts';
import {
  CreateFiles,
  Ended,
  EndVm,
  RemoveVm,
  type RootSide,
  Started,
  StartVm,
} from '../vm/root-side.ts';

/** A request by its name on the wire: what goes in, what comes out, and which method answers. */
interface RequestShape<M extends keyof RootSide> {
  method: M;
  params: z.ZodMiniType;
  result: z.ZodMiniType;
}

/** Every request the root side answers. Both sides check both shapes. */
export const REQUESTS = {
  'vm-create': { method: 'createFiles', params: CreateFiles, result: VmConfig },
  'vm-start': { method: 'start', params: StartVm, result: Started },
  'vm-stop': { method: 'end', params: EndVm, result: Ended },
  'vm-remove': { method: 'remove', params: RemoveVm, result: z.strictObject({}) },
} as const satisfies Record<string, RequestShape<keyof RootSide>>;

export type RequestName = keyof typeof REQUESTS;

export function isRequestName(name: unknown): name is RequestName {
  return typeof name === 'string' && Object.hasOwn(REQUESTS, name);
}

const Texts = z.array(z.string());

/** One line of JSON. `kind` keeps what the caller acts on when an error crosses a process. */
export const Reply = z.discriminatedUnion('ok', [
  z.looseObject({ ok: z.literal(true), result: z.unknown(), notes: Texts, details: Texts }),
  z.looseObject({
    ok: z.literal(false),
    error: z.string(),
    hint: z.optional(z.string()),
    detail: z.optional(z.string()),
    kind: z.optional(z.enum(['input', 'not-found', 'busy', 'undo', 'failed'])),
  }),
]);
export type Reply = z.infer<typeof Reply>;
export type Refusal = Extract<Reply, { ok: false }>;
