import * as z from 'zod/mini';
import { VmConfig } from '../store/vm-config.ts';
import {
  BackupState,
  BeginBackup,
  Cared,
  CareForHost,
  CreateFiles,
  EndBackup,
  Ended,
  EndVm,
  FillVm,
  Limited,
  LimitVm,
  PublishTemplate,
  RemoveVm,
  SettleBackup,
  Started,
  StartVm,
  VerifiedBackup,
} from '../vm/root-side.ts';
import { PublishState } from './publish.ts';

const Nothing = z.strictObject({});

/** Every request at the door, and what comes back. Both sides check both shapes. */
const DOOR_REQUESTS = {
  'vm-create': { params: CreateFiles, result: VmConfig },
  'vm-start': { params: StartVm, result: Started },
  'vm-stop': { params: EndVm, result: Ended },
  'vm-limits': { params: LimitVm, result: Limited },
  'vm-remove': { params: RemoveVm, result: Nothing },
  'vm-settle': { params: SettleBackup, result: Nothing },
  'host-care': { params: CareForHost, result: Cared },
  'template-publish': { params: PublishTemplate, result: PublishState },
} as const;

/** Those to the root side of one command of root's (root/sessions.ts): they take long, and it has files to work with. */
const SESSION_REQUESTS = {
  'backup-begin': { params: BeginBackup, result: BackupState },
  'backup-write': { params: Nothing, result: BackupState },
  'backup-end': { params: EndBackup, result: Nothing },
  'restore-verify': { params: Nothing, result: VerifiedBackup },
  'restore-fill': { params: FillVm, result: Nothing },
  cancel: { params: Nothing, result: Nothing },
} as const;

export const REQUESTS = { ...DOOR_REQUESTS, ...SESSION_REQUESTS };

export type RequestName = keyof typeof REQUESTS;
export type DoorRequest = keyof typeof DOOR_REQUESTS;
export type SessionRequest = keyof typeof SESSION_REQUESTS;
export type Params<N extends RequestName> = z.infer<(typeof REQUESTS)[N]['params']>;
export type Result<N extends RequestName> = z.infer<(typeof REQUESTS)[N]['result']>;

export function isRequestName(name: unknown): name is RequestName {
  return typeof name === 'string' && Object.hasOwn(REQUESTS, name);
}

export function isDoorRequest(name: RequestName): name is DoorRequest {
  return Object.hasOwn(DOOR_REQUESTS, name);
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
