import * as z from 'zod/mini';
import { VmConfig } from '../store/vm-config.ts';
import {
  Cared,
  CareForHost,
  CreateFiles,
  Ended,
  EndVm,
  Limited,
  LimitVm,
  PublishTemplate,
  RemoveVm,
  Started,
  StartVm,
} from '../vm/root-side.ts';
import { PublishState } from './publish.ts';

/** Every request the root side answers, and what comes back. Both sides check both shapes. */
export const REQUESTS = {
  'vm-create': { params: CreateFiles, result: VmConfig },
  'vm-start': { params: StartVm, result: Started },
  'vm-stop': { params: EndVm, result: Ended },
  'vm-limits': { params: LimitVm, result: Limited },
  'vm-remove': { params: RemoveVm, result: z.strictObject({}) },
  'host-care': { params: CareForHost, result: Cared },
  'template-publish': { params: PublishTemplate, result: PublishState },
} as const;

export type RequestName = keyof typeof REQUESTS;
export type Params<N extends RequestName> = z.infer<(typeof REQUESTS)[N]['params']>;
export type Result<N extends RequestName> = z.infer<(typeof REQUESTS)[N]['result']>;

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
    kind: z.optional(z.enum(['input', 'not-found', 'busy', 'undo', 'lost', 'failed'])),
  }),
]);
export type Reply = z.infer<typeof Reply>;
export type Refusal = Extract<Reply, { ok: false }>;
