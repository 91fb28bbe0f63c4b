import * as fs from 'node:fs';
import * as z from 'zod/mini';
import { writeFileAtomic } from '../host/files.ts';
import type { VmFiles } from '../host/paths.ts';
import { bootId } from '../host/process.ts';
import { readValidated } from '../host/validate.ts';
import { goesOn, Incarnation, incarnationKey } from './incarnation.ts';

/** Who ends a run, or finds that it has ended; `suspend` is what gc does to a VM that has expired. */
export const Ender = z.enum([
  'stop',
  'stop-all',
  'suspend',
  'kill',
  'start',
  'destroy',
  'gc',
  'doctor',
  'restart-crashed',
]);
export type Ender = z.infer<typeof Ender>;

/**
 * How a run ended, as far as the host can tell without having watched it.
 * - `asked`: a verb brought it about. `host-down`: the host went down under it.
 * - `broken-off`: QEMU's pid file was left, which it removes itself when it ends in order: it crashed or was killed.
 * - `in-order`: it was not left. The guest has powered off, or QEMU was told to end, or gave up by itself.
 */
const End = z.enum(['asked', 'host-down', 'broken-off', 'in-order']);

/** ended.json: the end of the VM's last run, noted by the verb that brought it about or found it. */
const Ended = z.object({
  run: Incarnation,
  end: End,
  by: z.optional(Ender),
  /** ISO 8601: when this was noted; for `asked`, when QEMU was told to end. */
  noted_at: z.string(),
});
type Ended = z.infer<typeof Ended>;

export interface LastRun {
  run: Incarnation;
  end: z.infer<typeof End> | 'goes-on';
  by?: Ender | undefined;
  notedAt?: string | undefined;
}

/** The run that goes on, or the last one; undefined when nothing tells of any. */
export function lastRun(files: VmFiles): LastRun | undefined {
  const noted = tolerant(() => readValidated(files.ended, Ended));
  const run = tolerant(() => readValidated(files.process, Incarnation));
  if (run === undefined) return noted === undefined ? undefined : fromNote(noted);
  if (goesOn(files, run)) return { run, end: 'goes-on' };
  if (noted !== undefined && incarnationKey(noted.run) === incarnationKey(run))
    return fromNote(noted);
  return { run, end: foundEnd(files, run) };
}

/**
 * Notes the end of the run that run.json tells of, before run.json goes. What a verb brought about is noted before
 * QEMU is ended, so that nobody takes it for a crash. Who wants a VM off that has crashed, or was ended to be started
 * again, is noted, too. Never fails: ending a VM does not depend on it.
 */
export function noteEnd(files: VmFiles, by: Ender | undefined, asked: boolean): void {
  tolerant(() => {
    const last = lastRun(files);
    if (last === undefined || (last.end === 'asked' && last.by !== 'restart-crashed')) return;
    const isNoted = last.notedAt !== undefined;
    if (isNoted && (isWantedOff(last.by) || !isWantedOff(by))) return;
    if (last.end === 'goes-on' && !asked) return;
    const end = asked || last.end === 'goes-on' ? 'asked' : last.end;
    const note: Ended = { run: last.run, end, noted_at: new Date().toISOString() };
    if (by !== undefined) note.by = by;
    writeFileAtomic(files.ended, `${JSON.stringify(note)}\n`, { mode: 0o644, sync: false });
  });
}

/** Whether whoever ended the run, or found it ended, meant the VM to be off. */
export function isWantedOff(by: Ender | undefined): boolean {
  return by !== undefined && WANTED_OFF.has(by);
}

const WANTED_OFF: ReadonlySet<Ender> = new Set(['stop', 'stop-all', 'suspend', 'kill', 'destroy']);

function foundEnd(files: VmFiles, run: Incarnation): Exclude<LastRun['end'], 'goes-on'> {
  if (run.bootId !== bootId()) return 'host-down';
  return fs.existsSync(files.pid) ? 'broken-off' : 'in-order';
}

function fromNote({ run, end, by, noted_at }: Ended): LastRun {
  return { run, end, by, notedAt: noted_at };
}

/** A damaged note tells nothing, and a disk that is full takes none. */
function tolerant<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
