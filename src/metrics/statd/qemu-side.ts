import { uptimeSeconds } from '../../host/uptime.ts';
import type { QmpClient } from '../../qmp/client.ts';
import { QmpTimeoutError } from '../../qmp/errors.ts';
import type { QmpEvent } from '../../qmp/events.ts';
import type { Incarnation } from '../../store/incarnation.ts';
import { DEVICE } from '../../types.ts';
import type { DiskCounters } from '../counters.ts';
import { NO_QEMU_EXTRAS, type QemuExtras, readQemuExtras } from '../qemu-extras.ts';
import { type AgentPort, readAgentPort, readDisk, readState } from '../qemu-readings.ts';
import type { State } from '../record.ts';
import type { CpuTimes } from '../starvation.ts';
import type { AgentPoll } from './agent-poll.ts';
import { Coalesced } from './coalesced.ts';
import { Link } from './link.ts';
import { MemoryPoll } from './memory-poll.ts';
import { Pulse } from './pulse.ts';
import type { RoomWatch } from './room-watch.ts';

export interface QemuSideContext {
  socket: string;
  incarnation: Incarnation;
  /** How long a question waits for its answer. */
  deadlineMs: number;
  /** Asked when QEMU says that its port is open and free. */
  agent: AgentPoll;
  room: RoomWatch;
  /** What the host has given this QEMU. */
  cpuTimes(): CpuTimes;
  /** QEMU can be asked anew. */
  onUp(): void;
  onDown(): void;
  /** It is there and does not answer, though it could. */
  onHung(): void;
  onEvent(event: QmpEvent): void;
  /** An event changed what is known. */
  onChange(): void;
}

/** The kernel closes the sockets of a process that has ended a moment later. */
const LAST_WORDS_MS = 1000;
const CLOSED: AgentPort = { open: false, busy: false };

/** What only QEMU knows of one run: asked for with every sample, and kept up to date by its events between two. */
export class QemuSide {
  readonly #context: QemuSideContext;
  readonly #link: Link;
  readonly #memory = new MemoryPoll();
  readonly #refresh = new Coalesced(() => this.#refreshState());
  #state: State = 'unknown';
  #port = CLOSED;
  #extras: Readonly<QemuExtras> = NO_QEMU_EXTRAS;
  #memoryReadAt: number | null = null;
  #giveUp: () => void = () => {};

  constructor(context: QemuSideContext) {
    this.#context = context;
    this.#link = new Link(context.socket, new Pulse(context.cpuTimes), {
      onUp: () => context.onUp(),
      onDown: () => {
        this.#port = CLOSED;
        this.#state = 'unknown';
        context.onDown();
      },
      onHung: () => {
        this.#state = 'unknown';
        this.#giveUp();
        context.onHung();
      },
      onEvent: (event) => this.#onEvent(event),
    });
    this.#link.poke();
  }

  /** The guest's; `unknown` while QEMU does not tell. */
  get state(): State {
    return this.#state;
  }

  get isAgentOpen(): boolean {
    return this.#port.open;
  }

  get extras(): Readonly<QemuExtras> {
    return this.#extras;
  }

  get memoryUsedBytes(): number | null {
    return this.#memory.usedBytes;
  }

  /** Uptime of the host when the guest's last report of its memory was read. */
  get memoryReadAt(): number | null {
    return this.#memoryReadAt;
  }

  /** Connected, whether it answers or not. */
  get isUp(): boolean {
    return this.#link.isUp;
  }

  /** It can be asked. */
  get answers(): boolean {
    return this.#link.qmp !== undefined;
  }

  /** Connected, and found not to answer. */
  get isHung(): boolean {
    return this.#link.isHung;
  }

  /** The connection ended a moment ago. */
  get brokeLately(): boolean {
    return this.#link.brokeLately;
  }

  /** Called every TICK_MS. */
  tick(): void {
    this.#link.tick();
  }

  /** @param seldom also what need not be known every time. @returns null when QEMU does not tell. */
  async ask(seldom: boolean): Promise<DiskCounters | null> {
    this.#link.poke();
    const { qmp } = this.#link;
    if (qmp === undefined) return this.#unknown();
    try {
      return await this.#unlessHung(this.#askAll(qmp, seldom));
    } catch (error) {
      this.#failed(error);
      return this.#unknown();
    }
  }

  /** It is known not to answer: nothing is asked that would only wait. */
  leave(): null {
    return this.#unknown();
  }

  /** QEMU's process is gone: what it said last is heard, however busy this process was. */
  hearOut(): Promise<void> {
    return this.#link.drained(LAST_WORDS_MS);
  }

  close(): void {
    this.#link.close();
  }

  async #askAll(qmp: QmpClient, seldom: boolean): Promise<DiskCounters | null> {
    const { agent, room, deadlineMs } = this.#context;
    const [disk, reported] = await Promise.all([
      readDisk(qmp, { deadlineMs }),
      this.#memory.poll(qmp, { deadlineMs }),
      seldom ? this.#askState(qmp) : undefined,
      seldom || agent.isDue() ? this.#askPort(qmp) : undefined,
      seldom ? this.#askExtras(qmp) : undefined,
    ]);
    this.#link.reportAnswer();
    if (this.#state === 'paused') await room.look(qmp, { deadlineMs });
    if (reported) this.#memoryReadAt = uptimeSeconds();
    return disk;
  }

  /** A sample does not wait for one that was found not to answer meanwhile. */
  #unlessHung(answer: Promise<DiskCounters | null>): Promise<DiskCounters | null> {
    return new Promise((resolve, reject) => {
      this.#giveUp = () => resolve(null);
      answer.then(resolve, reject);
    });
  }

  #unknown(): null {
    this.#state = 'unknown';
    return null;
  }

  #failed(error: unknown): void {
    if (error instanceof QmpTimeoutError) this.#link.reportSilence();
  }

  async #askState(qmp: QmpClient): Promise<void> {
    this.#state = await readState(qmp, { deadlineMs: this.#context.deadlineMs });
  }

  async #askPort(qmp: QmpClient): Promise<void> {
    const { agent, deadlineMs } = this.#context;
    this.#port = await readAgentPort(qmp, { deadlineMs });
    if (this.#state === 'running' && agent.isDue()) agent.ask(this.#port);
  }

  async #askExtras(qmp: QmpClient): Promise<void> {
    const { incarnation, deadlineMs } = this.#context;
    const { pid, accel } = incarnation;
    this.#extras = await readQemuExtras(qmp, { pid, accel, deadlineMs });
  }

  #onEvent(event: QmpEvent): void {
    this.#context.onEvent(event);
    if (event.name === 'VSERPORT_CHANGE' && event.kind === 'known') {
      if (event.data.id !== DEVICE.agent) return;
      this.#port = { open: event.data.open, busy: false };
      this.#context.agent.portChanged(event.data.open);
      this.#context.onChange();
      return;
    }
    if (STATE_EVENTS.has(event.name)) this.#refresh.ask();
  }

  /** An event says that the state changed; QEMU says to what. Many events at once are one question, or two. */
  async #refreshState(): Promise<void> {
    const { qmp } = this.#link;
    if (qmp === undefined) return;
    try {
      await this.#askState(qmp);
      this.#context.onChange();
    } catch (error) {
      this.#failed(error);
    }
  }
}

const STATE_EVENTS: ReadonlySet<string> = new Set([
  'STOP',
  'RESUME',
  'SHUTDOWN',
  'RESET',
  'GUEST_PANICKED',
  'SUSPEND',
  'WAKEUP',
  'BLOCK_IO_ERROR',
]);
