import * as fs from 'node:fs';
import * as path from 'node:path';
import { monotonicMs } from '../../host/time.ts';
import {
  type EventFiles,
  type EventKind,
  formatVmEvents,
  readVmEvents,
  sameEvent,
  type VmEvent,
} from '../../store/vm-events.ts';

/** The oldest are forgotten first. */
export const MAX_EVENTS = 32;
/** What a guest can cause again and again is written so often at most. */
const WRITE_MS = 500;

export type NewEvent = Pick<VmEvent, 'run'> &
  Partial<Pick<VmEvent, 'detail' | 'console' | 'qemu' | 'first' | 'silent_s'>> & {
    kind: EventKind;
  };

/**
 * What happened to one VM lately, in a file that is replaced whole and outlives this process. What happens again in
 * the same run is the same entry with a higher count, moved to the end: no guest can crowd out what came before.
 */
export class EventLog {
  readonly #files: EventFiles;
  readonly #uuid: string;
  #events: VmEvent[];
  #timer: NodeJS.Timeout | undefined;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(files: EventFiles, uuid: string) {
    this.#files = files;
    this.#uuid = uuid;
    this.#events = readVmEvents(files, uuid) ?? [];
  }

  /** Whether anything is known of this run. */
  has(run: string, kind?: EventKind): boolean {
    return this.#events.some((event) => event.run === run && (kind ?? event.kind) === event.kind);
  }

  /** @param urgent written at once; only for what a guest cannot repeat at will. */
  note(event: NewEvent, urgent = false): void {
    const at = new Date().toISOString();
    const again = this.#events.findIndex((known) => sameEvent(known, event));
    const [before] = again === -1 ? [] : this.#events.splice(again, 1);
    const { first = before?.first ?? at } = event;
    this.#events.push({ ...event, first, at, count: (before?.count ?? 0) + 1 });
    this.#events = this.#events.slice(-MAX_EVENTS);
    this.#writeSoon(urgent);
  }

  /** Adds what became known a moment later to the last entry of this kind. */
  amend(run: string, kind: EventKind, more: Partial<Pick<VmEvent, 'console' | 'qemu'>>): void {
    const event = this.#events.findLast((known) => known.run === run && known.kind === kind);
    if (event === undefined) return;
    Object.assign(event, more);
    this.#writeSoon(true);
  }

  /** What is noted or amended from now on is not written: the VM may be gone, and its files with it. */
  close(): void {
    if (this.#timer !== undefined) this.#write();
    this.#closed = true;
  }

  #writeSoon(urgent: boolean): void {
    if (this.#closed) return;
    const waitMs = this.#writtenMs + WRITE_MS - monotonicMs();
    if (urgent || waitMs <= 0) this.#write();
    else this.#timer ??= setTimeout(() => this.#write(), waitMs);
  }

  /** One that cannot be written is written with the next: what is published matters more than what was. */
  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writtenMs = monotonicMs();
    const { events, lines } = formatVmEvents(this.#uuid, this.#events);
    replace(this.#files.events, events, 0o644);
    replace(this.#files.lines, lines, 0o640);
  }
}

/** As the publisher does it: no VM's file can have such a name, and only one sampler writes here. */
function replace(file: string, content: string, mode: number): void {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.tmp`);
  try {
    fs.writeFileSync(temporary, content, { mode });
    fs.renameSync(temporary, file);
  } catch {
    fs.rmSync(temporary, { force: true });
  }
}
