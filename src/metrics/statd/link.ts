import { monotonicMs, sleep } from '../../host/time.ts';
import { QmpClient } from '../../qmp/client.ts';
import type { QmpEvent } from '../../qmp/events.ts';
import { Backoff } from './backoff.ts';
import type { Pulse } from './pulse.ts';

export interface LinkEvents {
  /** Connected anew, or heard again after silence. */
  onUp(): void;
  onDown(): void;
  /** It is connected, and does not answer though it could. */
  onHung(): void;
  onEvent(event: QmpEvent): void;
}

const CONNECT_MS = 2000;
/** A process with much memory takes a while to end after its sockets have. */
const LATELY_MS = 5000;
/** One that breaks sooner was no good: who hangs up again and again is called less and less often. */
const STEADY_MS = 10_000;
/** Nothing that is asked here has an answer of more than some ten KB. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Between two samples so many events are acted on; the next sample sees what the others were about. */
const HEEDED_EVENTS = 50;
/** They are acted on all the same: QEMU ends with the one, and halts the guest with the other. */
const LAST_WORDS: ReadonlySet<string> = new Set(['SHUTDOWN', 'GUEST_PANICKED']);
/** No guest causes so many: QEMU itself has gone wrong, and the connection is given up for a while. */
const MAX_EVENTS = 5000;

/**
 * The one connection to a VM's observation monitor. It comes back by itself, and whatever QEMU does or fails
 * to do, there is at most one connection and one unanswered question.
 */
export class Link {
  readonly #socket: string;
  readonly #events: LinkEvents;
  readonly #backoff = new Backoff({ firstMs: 50, lastMs: 10_000 });
  readonly #pulse: Pulse;
  #qmp: QmpClient | undefined;
  /** The one that owes an answer to the question that waits for as long as it takes. */
  #asked: QmpClient | undefined;
  #connecting = false;
  #silent = false;
  #closed = false;
  #eventCount = 0;
  #upMs = 0;
  #brokeMs = Number.NEGATIVE_INFINITY;

  constructor(socket: string, pulse: Pulse, events: LinkEvents) {
    this.#socket = socket;
    this.#pulse = pulse;
    this.#events = events;
  }

  /** Ready for questions; undefined while QEMU is not connected or does not answer. */
  get qmp(): QmpClient | undefined {
    return this.#silent ? undefined : this.#qmp;
  }

  /** Connected, whether QEMU answers or not. */
  get isUp(): boolean {
    return this.#qmp !== undefined;
  }

  /** The connection ended a moment ago, and not by us. */
  get brokeLately(): boolean {
    return this.#qmp === undefined && monotonicMs() - this.#brokeMs < LATELY_MS;
  }

  /** Connects when there is no connection and it is time to try. */
  poke(): void {
    this.#eventCount = 0;
    if (this.#closed || this.#connecting) return;
    const now = monotonicMs();
    if (this.#qmp === undefined) {
      if (this.#backoff.isDue(now)) void this.#connect();
    } else if (now - this.#upMs >= STEADY_MS) this.#backoff.succeeded();
  }

  /** Connected, and found not to answer though it had the CPU to. */
  get isHung(): boolean {
    return this.#pulse.isHung;
  }

  /** A question was answered. */
  reportAnswer(): void {
    this.#pulse.heard();
  }

  /** A question was not answered in time. */
  reportSilence(): void {
    const qmp = this.#qmp;
    if (qmp === undefined || this.#silent) return;
    this.#silent = true;
    this.#ask(qmp);
  }

  /** Called every TICK_MS: one that has not been heard for a while is asked whether it is still there. */
  tick(): void {
    const qmp = this.#qmp;
    if (qmp === undefined) return;
    const act = this.#pulse.tick();
    if (act === 'ask') this.#ask(qmp);
    else if (act === 'hung') {
      this.#silent = true;
      this.#events.onHung();
    }
  }

  /** Resolves when the connection has ended and everything that came by it was acted on, or after so long. */
  async drained(withinMs: number): Promise<void> {
    const qmp = this.#qmp;
    if (qmp === undefined) return;
    const enough = new AbortController();
    await Promise.race([qmp.closed, sleep(withinMs, enough.signal).catch(() => undefined)]);
    enough.abort();
  }

  close(): void {
    this.#closed = true;
    this.#qmp?.close();
    this.#qmp = undefined;
  }

  /**
   * No more is asked of one that is silent, so that nothing piles up in the socket; this waits for as long as it
   * takes, and its answer tells that QEMU is back.
   */
  #ask(qmp: QmpClient): void {
    if (this.#asked === qmp) return;
    this.#asked = qmp;
    qmp.ping(() => this.#answered(qmp));
  }

  #answered(qmp: QmpClient): void {
    if (this.#qmp !== qmp) return;
    this.#asked = undefined;
    this.#pulse.heard();
    if (!this.#silent) return;
    this.#silent = false;
    this.#events.onUp();
  }

  async #connect(): Promise<void> {
    this.#connecting = true;
    this.#backoff.failed(monotonicMs());
    const qmp = new QmpClient(this.#socket);
    try {
      await qmp.open({ deadlineMs: CONNECT_MS, maxLineBytes: MAX_LINE_BYTES });
    } catch {
      return;
    } finally {
      this.#connecting = false;
    }
    if (this.#closed) return qmp.close();
    this.#qmp = qmp;
    this.#silent = false;
    this.#pulse.heard();
    this.#upMs = monotonicMs();
    qmp.listen((event) => this.#onEvent(qmp, event));
    void qmp.closed.then(() => this.#lost(qmp));
    this.#events.onUp();
  }

  #onEvent(qmp: QmpClient, event: QmpEvent): void {
    this.#eventCount += 1;
    if (this.#eventCount <= HEEDED_EVENTS || LAST_WORDS.has(event.name))
      this.#events.onEvent(event);
    if (this.#eventCount <= MAX_EVENTS) return;
    this.#backoff.banFor(monotonicMs());
    qmp.close();
  }

  #lost(qmp: QmpClient): void {
    if (this.#qmp !== qmp) return;
    this.#qmp = undefined;
    this.#silent = false;
    this.#brokeMs = monotonicMs();
    if (!this.#closed) this.#events.onDown();
  }
}
