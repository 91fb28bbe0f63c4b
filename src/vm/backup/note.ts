import * as fs from 'node:fs';
import * as path from 'node:path';
import * as z from 'zod/mini';
import { ensureDirectory, writeFileAtomic } from '../../host/files.ts';
import type { VmFiles } from '../../host/paths.ts';
import { readValidated } from '../../host/validate.ts';

/** What whoever comes after a backup that was killed has to know; it lies beside the fleeces. */
const Note = z.strictObject({
  /** The file that was not complete yet; null: a pipe. */
  part: z.nullable(z.string()),
  /** Whether the guest ran: it does so again. */
  running: z.boolean(),
});
export type Note = z.infer<typeof Note>;

/** Written before anything else is made: from then on `settle` has something to do. */
export function writeNote(files: VmFiles, note: Note): void {
  ensureDirectory(files.fleece, 0o711);
  writeFileAtomic(noteFile(files), `${JSON.stringify(note)}\n`);
}

export function readNote(files: VmFiles): Note | undefined {
  return readValidated(noteFile(files), Note);
}

/** A part of a backup must not be left. Its name is random, so that nothing else has it. */
export function removePart(files: VmFiles): void {
  const part = readNote(files)?.part;
  if (typeof part === 'string') fs.rmSync(part, { force: true });
}

function noteFile({ fleece }: VmFiles): string {
  return path.join(fleece, 'note.json');
}
