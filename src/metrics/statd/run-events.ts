import { KERNEL_PANIC, lastLines } from '../../host/log-tail.ts';
import type { VmFiles } from '../../host/paths.ts';
import { monotonicMs } from '../../host/time.ts';
import type { KnownEvent, QmpEvent } from '../../qmp/events.ts';
import { type Incarnation, incarnationKey } from '../../store/incarnation.ts';
import { ENDED, type EventKind } from '../../store/vm-events.ts';
import { visible } from '../../types.ts';
import type { EventLog } from './event-log.ts';

/** A QEMU that has not answered for so long is called silent, whatever it waits for. */
const SILENT_MS = 5000;
/** The loggers beside QEMU may be behind its end: a moment, or longer on a busy host. */
const LOGGERS_MS = [300, 3000];
/** Of the console, and of what QEMU said. */
const LINES = 20;

/** Notes what happens in one run of a VM. */
export class RunEvents {
  readonly #log: EventLog;
  readonly #files: VmFiles;
  readonly #run: string;
  #shutdown = false;
  /** The guest's CPUs wait, and why has been noted. */
  #halted = false;
  #panicked = false;
  /** Since when it has been called so, of monotonicMs(). */
  #silentMs: number | undefined;
  #answeredMs = monotonicMs();
  readonly #onCrash: () => void;

  /** @param onCrash called when the guest has panicked, and when QEMU is gone without having said that it ends. */
  constructor(log: EventLog, files: VmFiles, incarnation: Incarnation, onCrash: () => void) {
    this.#onCrash = onCrash;
    this.#log = log;
    this.#files = files;
    this.#run = incarnationKey(incarnation);
    // A sampler before this one may have seen it begin.
    if (!log.has(this.#run)) this.#note('started', { first: incarnation.started_at });
    this.#shutdown = log.has(this.#run, 'shutdown');
  }

  heard(event: QmpEvent): void {
    if (event.kind === 'known') this.#heardKnown(event);
    else if (event.name === 'SUSPEND') this.#note('suspended');
    else if (event.name === 'WAKEUP') this.#note('woken');
  }

  /**
   * After each question to QEMU, or when there is nobody to ask.
   * @param certain that it does not answer, which needs no more patience to tell.
   */
  looked(answered: boolean, certain: boolean): void {
    const now = monotonicMs();
    if (answered) {
      this.#answeredMs = now;
      if (this.#silentMs !== undefined)
        this.#note('answers', { silent_s: Math.round((now - this.#silentMs) / 100) / 10 });
      this.#silentMs = undefined;
    } else if (this.#silentMs === undefined) {
      // Who has said that it ends puts its disks in order first, and hears nobody.
      const sure = certain && !this.#shutdown;
      if (!sure && now - this.#answeredMs < SILENT_MS) return;
      this.#silentMs = now;
      this.#noteWithLines('silent', undefined);
    }
  }

  /** QEMU's process is gone. @param watched it was connected to the last. */
  ended(watched: boolean): void {
    // A process that has ended may be there for another moment.
    if (this.#log.has(this.#run, 'ended')) return;
    const unannounced = watched ? ENDED.unannounced : ENDED.unseen;
    this.#noteWithLines('ended', this.#shutdown ? ENDED.announced : unannounced);
    if (!this.#shutdown) this.#onCrash();
  }

  #heardKnown(event: KnownEvent): void {
    switch (event.name) {
      case 'SHUTDOWN':
        if (this.#shutdown) break;
        this.#shutdown = true;
        this.#note('shutdown', { detail: said(event.data.reason) }, true);
        break;
      case 'RESET':
        this.#note('reset', { detail: said(event.data.reason) });
        break;
      case 'GUEST_PANICKED':
        if (this.#panicked) break;
        this.#panicked = true;
        this.#halted = true;
        this.#noteWithLines('panicked', undefined);
        this.#onCrash();
        break;
      case 'BLOCK_IO_ERROR':
        this.#ioError(event.data);
        break;
      case 'STOP':
        // What QEMU halts it for has been noted, and so has its end.
        if (!this.#halted && !this.#shutdown) this.#note('paused');
        this.#halted = true;
        break;
      case 'RESUME':
        // Every start ends with one.
        if (this.#halted) this.#note('resumed');
        this.#halted = false;
        this.#panicked = false;
        break;
    }
  }

  #ioError(data: KnownEvent<'BLOCK_IO_ERROR'>['data']): void {
    const disk = said(data['node-name'] ?? data.device);
    const why = data.nospace === true ? 'no space left on the host' : said(data.reason);
    this.#note('io-error', { detail: `${disk}: ${said(data.operation)}: ${why}` });
    if (data.action === 'stop') this.#halted = true;
  }

  #noteWithLines(kind: 'ended' | 'panicked' | 'silent', detail: string | undefined): void {
    const lines = (): { console: string[]; qemu: string[] } => ({
      console: lastLines(this.#files.consoleLog, LINES, KERNEL_PANIC),
      qemu: lastLines(this.#files.qemuLog, LINES),
    });
    this.#note(kind, { ...(detail === undefined ? {} : { detail }), ...lines() }, true);
    const log = this.#log;
    for (const afterMs of LOGGERS_MS)
      setTimeout(() => log.amend(this.#run, kind, lines()), afterMs).unref();
  }

  #note(
    kind: EventKind,
    more: Omit<Parameters<EventLog['note']>[0], 'kind' | 'run'> = {},
    urgent = false,
  ): void {
    this.#log.note({ kind, run: this.#run, ...more }, urgent);
  }
}

/** One word of QEMU's, which is no more trusted than its guest. */
function said(word: string): string {
  return visible(word.slice(0, 60)).slice(0, 60);
}

/** A run that ended while no sampler looked: what the files say of its end is all there is. */
export function noteMissedEnd(
  log: EventLog,
  files: VmFiles,
  incarnation: Incarnation,
  onCrash: () => void,
): void {
  const run = incarnationKey(incarnation);
  if (!log.has(run) || log.has(run, 'ended')) return;
  new RunEvents(log, files, incarnation, onCrash).ended(false);
}
