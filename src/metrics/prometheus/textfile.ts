import { messageOf, ProvisionerError } from '../../errors.ts';
import { writeFileAtomic } from '../../host/files.ts';
import type { Records } from '../view.ts';
import { prometheusText } from './text.ts';

/** Prometheus scrapes every 15 s by default. */
const EVERY_MS = 15_000;

/** Keeps a file for node-exporter's textfile collector up to date, as long as there are records. */
export class Textfile {
  readonly #file: string;
  readonly #report: (line: string) => void;
  readonly #records = new Map<string, Records>();
  readonly #timer: NodeJS.Timeout;
  #failing = false;

  constructor(file: string, report: (line: string) => void) {
    this.#file = file;
    this.#report = report;
    this.#timer = setInterval(() => this.#write(), EVERY_MS);
  }

  put(name: string, record: Records): void {
    const first = this.#records.size === 0;
    this.#records.set(name, record);
    if (first) this.#write();
  }

  remove(name: string): void {
    this.#records.delete(name);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#write();
  }

  #write(): void {
    try {
      writeTextfile(this.#file, this.#records);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#report(messageOf(error));
      this.#failing = true;
    }
  }
}

/** One whole file, replaced by a rename, as the collector demands; readable by its user. */
export function writeTextfile(file: string, records: ReadonlyMap<string, Records>): void {
  try {
    writeFileAtomic(file, prometheusText(records), { mode: 0o644, sync: false });
  } catch (cause) {
    throw new ProvisionerError(`${file} cannot be written: ${messageOf(cause)}`, { cause });
  }
}
