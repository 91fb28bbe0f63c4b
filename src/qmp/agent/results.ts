import * as z from 'zod/mini';
import { nothing, type Schema } from '../transport/import.ts';
import type { AgentCommandName } from './arguments.ts';

const count = z.number().check(z.nonnegative());
const text = z.string();
const flag = z.boolean();

const statistics = z.object({
  'rx-bytes': count,
  'rx-packets': count,
  'rx-errs': count,
  'rx-dropped': count,
  'tx-bytes': count,
  'tx-packets': count,
  'tx-errs': count,
  'tx-dropped': count,
});

/** What is read of each command's result. All of it is the guest's word, in any case. */
export const agentResults = {
  'guest-ping': nothing,
  'guest-info': z.object({
    version: text,
    supported_commands: z.array(z.object({ name: text, enabled: flag })),
  }),
  'guest-exec': z.object({ pid: z.int() }),
  'guest-exec-status': z.object({
    exited: flag,
    exitcode: z.optional(z.int()),
    signal: z.optional(z.int()),
    'out-data': z.optional(text),
    'err-data': z.optional(text),
    'out-truncated': z.optional(flag),
    'err-truncated': z.optional(flag),
  }),
  'guest-get-fsinfo': z.array(
    z.object({
      name: text,
      mountpoint: text,
      type: text,
      'used-bytes': z.optional(count),
      'total-bytes': z.optional(count),
    }),
  ),
  'guest-get-host-name': z.object({ 'host-name': text }),
  'guest-get-osinfo': z.object({
    id: z.optional(text),
    name: z.optional(text),
    'pretty-name': z.optional(text),
    version: z.optional(text),
    'version-id': z.optional(text),
    machine: z.optional(text),
    'kernel-release': z.optional(text),
    'kernel-version': z.optional(text),
  }),
  'guest-get-vcpus': z.array(z.object({ 'logical-id': count, online: flag })),
  'guest-network-get-interfaces': z.array(
    z.object({
      name: text,
      'hardware-address': z.optional(text),
      'ip-addresses': z.optional(
        z.array(
          z.object({
            'ip-address': text,
            'ip-address-type': z.enum(['ipv4', 'ipv6']),
            prefix: count,
          }),
        ),
      ),
      statistics: z.optional(statistics),
    }),
  ),
  'guest-file-open': z.int(),
  'guest-file-read': z.object({ count, 'buf-b64': text, eof: flag }),
  'guest-file-close': nothing,
  'guest-fsfreeze-status': z.enum(['thawed', 'frozen']),
  'guest-fsfreeze-freeze': count,
  'guest-fsfreeze-freeze-list': count,
  'guest-fsfreeze-thaw': count,
  'guest-set-user-password': nothing,
} satisfies Record<AgentCommandName, Schema>;

export type AgentResult<N extends AgentCommandName> = z.output<(typeof agentResults)[N]>;
