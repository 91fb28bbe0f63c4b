import { monotonicMs } from '../../host/time.ts';
import { uptimeSeconds } from '../../host/uptime.ts';
import { type AgentReadings, readAgent, SILENT } from '../agent-readings.ts';
import type { AgentPort } from '../qemu-readings.ts';
import { Backoff } from './backoff.ts';
import type { Gate } from './gate.ts';

/** How often a healthy agent is asked; oftener where only it knows how much the card has moved. */
const EVERY_MS = { tap: 30_000, user: 10_000 };
/** After its first answer it is asked again soon: two answers make a rate. */
const SECOND_MS = 1000;
/** How long its socket is held at most: guest-exec may be waiting for it. */
const HOLD_MS = 1500;
/** An agent that does not answer is asked less and less often. */
const SILENT_MS = { firstMs: 10_000, lastMs: 120_000 };
/** What it said once holds for so long when it falls silent. */
const KEEP_S = { disk: 600, connections: 90 };

export interface AgentSource {
  socket: string;
  mac: string;
  askNet: boolean;
}

/** Asks one VM's agent now and then, when nobody waits for it, and remembers what it said. */
export class AgentPoll {
  readonly #source: AgentSource;
  readonly #gate: Gate;
  readonly #onNews: () => void;
  readonly #silence = new Backoff(SILENT_MS);
  #last: AgentReadings = SILENT;
  #answers = 0;
  #busy = false;
  #nextMs = 0;
  #diskAt: number | undefined;
  #connectionsAt: number | undefined;

  constructor(source: AgentSource, gate: Gate, onNews: () => void) {
    this.#source = source;
    this.#gate = gate;
    this.#onNews = onNews;
  }

  /** Uptime of the host at the last answer. */
  get answeredAt(): number | null {
    return this.#diskAt ?? this.#connectionsAt ?? null;
  }

  /** What is known now; readings that have become too old are not. */
  get readings(): AgentReadings {
    const now = uptimeSeconds();
    const fresh = (at: number | undefined, keep: number): boolean =>
      at !== undefined && now - at <= keep;
    const { responsive, diskUsedBytes, connections, net } = this.#last;
    return {
      responsive,
      diskUsedBytes: fresh(this.#diskAt, KEEP_S.disk) ? diskUsedBytes : null,
      connections: fresh(this.#connectionsAt, KEEP_S.connections) ? connections : null,
      net,
    };
  }

  /** Its port was opened or closed: what was found out about its manners no longer counts. */
  portChanged(open: boolean): void {
    this.#silence.succeeded();
    this.#nextMs = 0;
    this.#answers = 0;
    if (!open) this.#last = { ...this.#last, responsive: false };
  }

  /** Whether it is time to ask; then the caller looks whether the port is free. */
  isDue(): boolean {
    const now = monotonicMs();
    return !this.#busy && now >= this.#nextMs && this.#silence.isDue(now);
  }

  /** Asks, if nobody else talks to the agent and not too many are being asked. Returns at once. */
  ask(port: AgentPort): void {
    if (port.open && !port.busy && !this.#busy) this.#busy = this.#gate.tryRun(() => this.#ask());
  }

  async #ask(): Promise<void> {
    const { askNet, ...source } = this.#source;
    const ask = { net: askNet, diskUsed: true, connections: true };
    const readings = await readAgent({ ...source, ask, deadlineMs: HOLD_MS });
    this.#busy = false;
    if (readings.responsive) this.#keep(readings);
    else {
      this.#silence.failed(monotonicMs());
      this.#answers = 0;
      this.#last = { ...this.#last, responsive: false, net: null };
    }
    this.#onNews();
  }

  #everyMs(): number {
    if (!this.#source.askNet) return EVERY_MS.tap;
    return this.#answers === 1 ? SECOND_MS : EVERY_MS.user;
  }

  #keep(readings: AgentReadings): void {
    const now = uptimeSeconds();
    this.#silence.succeeded();
    this.#answers += 1;
    this.#nextMs = monotonicMs() + this.#everyMs();
    const { diskUsedBytes, connections, net } = readings;
    if (diskUsedBytes !== null) this.#diskAt = now;
    if (connections !== null) this.#connectionsAt = now;
    this.#last = {
      responsive: true,
      diskUsedBytes: diskUsedBytes ?? this.#last.diskUsedBytes,
      connections: connections ?? this.#last.connections,
      net,
    };
  }
}
