import type { VmFiles } from '../../host/paths.ts';
import { lastRun } from '../../store/last-run.ts';
import type { VmConfig } from '../../store/vm-config.ts';
import type { EventFiles } from '../../store/vm-events.ts';
import { EventLog } from './event-log.ts';
import { noteMissedEnd } from './run-events.ts';

/** What happened to one VM, over its runs. */
export class Chronicle {
  readonly #files: VmFiles;
  readonly #logFiles: EventFiles;
  readonly #mark: () => void;
  #log: EventLog | undefined;
  #missed = false;

  /** @param mark tells those who start VMs again that this one has crashed. */
  constructor(files: VmFiles, logFiles: EventFiles, mark: () => void) {
    this.#files = files;
    this.#logFiles = logFiles;
    this.#mark = mark;
  }

  logOf({ uuid }: VmConfig): EventLog {
    this.#log ??= new EventLog(this.#logFiles, uuid);
    return this.#log;
  }

  /** Once: the last run may have ended while no sampler looked. */
  noteMissed(config: VmConfig): void {
    if (this.#missed) return;
    this.#missed = true;
    const last = lastRun(this.#files);
    if (last === undefined || last.end === 'goes-on') return;
    noteMissedEnd(this.logOf(config), this.#files, last.run, () => this.crashed(config));
  }

  /** A hint; what there is to it they find out themselves. */
  crashed({ restart }: VmConfig): void {
    if (restart !== 'on-crash') return;
    const end = lastRun(this.#files)?.end;
    if (end === 'broken-off' || end === 'goes-on') this.#mark();
  }

  close(): void {
    this.#log?.close();
  }
}
