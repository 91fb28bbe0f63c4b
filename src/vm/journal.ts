import * as fs from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod/mini';
import { LostError, ProvisionerError } from '../errors.ts';
import { ensureDirectory, writeFileAtomic } from '../host/files.ts';
import { removeStaleTemporaries } from '../host/temporary-files.ts';
import { readValidated } from '../host/validate.ts';
import type { VmName } from '../types.ts';
import type { ReadHost } from './host.ts';
import { UndoError } from './steps.ts';

/** Made when a journal is read: most verbs read none. */
const entrySchema = () =>
  z.discriminatedUnion('verb', [
    z.strictObject({ verb: z.enum(['start', 'destroy']) }),
    z.strictObject({
      verb: z.literal('create'),
      /** Ids of the templates that its disks are made from; one of an earlier version does not say. */
      templates: z.optional(z.array(z.string())),
    }),
    z.strictObject({ verb: z.literal('throttle') }),
    z.strictObject({
      verb: z.literal('snapshot'),
      action: z.enum(['create', 'restore', 'delete']),
      label: z.string(),
      /** Whether the guest ran: it does so again. */
      running: z.boolean(),
    }),
    z.strictObject({
      verb: z.literal('export'),
      /** What the image grows in until it is complete; no other file has this name. */
      part: z.string(),
    }),
  ]);
export type JournalEntry = z.infer<ReturnType<typeof entrySchema>>;

/**
 * The intent of a verb, written before it touches anything and removed when it is done or undone. One
 * that is found while the VM's lock is held was left by a command that died.
 */
export class Journal {
  readonly #file: string;
  readonly #directory: string;
  readonly #entry: JournalEntry;
  readonly #name: VmName;

  constructor(host: Pick<ReadHost, 'paths'>, name: VmName, entry: JournalEntry) {
    this.#name = name;
    this.#file = host.paths.journal(name);
    this.#directory = host.paths.journals;
    this.#entry = entry;
  }

  begin(): void {
    this.assertFree();
    ensureDirectory(this.#directory, 0o700);
    removeStaleTemporaries(this.#directory);
    writeFileAtomic(this.#file, `${JSON.stringify(this.#entry)}\n`);
  }

  end(): void {
    fs.rmSync(this.#file, { force: true });
  }

  /**
   * Only `destroy` needs no whole disks, and the same work once more makes them whole.
   * @throws ProvisionerError when a snapshot is half-done: another verb would make what the disks hold look whole.
   */
  assertFree(): void {
    if (this.#entry.verb === 'destroy') return;
    const there = readValidated(this.#file, entrySchema());
    if (there?.verb !== 'snapshot') return;
    if (isDeepStrictEqual(there, this.#entry)) return;
    const { action, label } = there;
    throw new ProvisionerError(
      `VM ${this.#name}: its snapshot ${action} of ${label} is half-done, and its disks are not of one moment`,
      {
        hint: `mend what hinders it (blockhost-qemu doctor), or run snapshot ${action} ${this.#name} ${label} again`,
      },
    );
  }
}

export function readJournal(host: Pick<ReadHost, 'paths'>, name: VmName): JournalEntry | undefined {
  return readValidated(host.paths.journal(name), entrySchema());
}

export function hasJournal(host: Pick<ReadHost, 'paths'>, name: VmName): boolean {
  return fs.existsSync(host.paths.journal(name));
}

export async function journaled<T>(journal: Journal, work: () => Promise<T>): Promise<T> {
  journal.begin();
  return await underJournal(journal, work);
}

/** Works under a journal that is begun, which stays only when a failure could not be undone. */
export async function underJournal<T>(journal: Journal, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    journal.end();
    return result;
  } catch (error) {
    if (!(error instanceof UndoError || error instanceof LostError)) journal.end();
    throw error;
  }
}
