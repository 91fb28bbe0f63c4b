import { uptimeSeconds } from '../../host/uptime.ts';
import { HistoryWriter } from '../history/writer.ts';
import type { MetricsRecord } from '../record.ts';

/** The recent past of one VM; there is none before its first sample. */
export class Past {
  readonly #file: string;
  readonly #intervalMs: number;
  #history: HistoryWriter | undefined;

  constructor(file: string, intervalMs: number) {
    this.#file = file;
    this.#intervalMs = intervalMs;
  }

  add(uuid: string, record: MetricsRecord): void {
    this.#history ??= new HistoryWriter(this.#file, uuid, this.#intervalMs);
    const known = (value: number): number | null => (value < 0 ? null : value);
    this.#history.add({
      at: Math.round(uptimeSeconds() * 10),
      values: {
        ...record,
        disk_used_mb: known(record.disk_used_mb),
        net_connections: known(record.net_connections),
      },
    });
  }

  close(): void {
    this.#history?.close();
  }
}
