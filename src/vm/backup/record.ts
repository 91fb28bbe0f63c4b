import * as z from 'zod/mini';
import { writeFileAtomic } from '../../host/files.ts';
import type { VmFiles } from '../../host/paths.ts';
import { readValidated } from '../../host/validate.ts';

/** backups.json: where a VM's chain of backups stands. */
const Backups = z.strictObject({
  version: z.literal(1),
  last: z.strictObject({
    id: z.uuid(),
    chain: z.uuid(),
    sequence: z.int().check(z.gte(0)),
    created_at: z.iso.datetime(),
  }),
  /** The one before, whose bitmap is of no use any more. */
  superseded: z.optional(z.uuid()),
});
export type Backups = z.infer<typeof Backups>;

export function readBackups(files: VmFiles): Backups | undefined {
  return readValidated(files.backups, Backups);
}

export function writeBackups(files: VmFiles, backups: Backups): void {
  writeFileAtomic(files.backups, `${JSON.stringify(backups, null, 2)}\n`, { mode: 0o644 });
}
