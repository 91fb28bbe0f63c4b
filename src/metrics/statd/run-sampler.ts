import type { VmFiles } from '../../host/paths.ts';
import { ageSeconds } from '../../host/process.ts';
import { monotonicMs } from '../../host/time.ts';
import { uptimeSeconds } from '../../host/uptime.ts';
import type { QmpClient } from '../../qmp/client.ts';
import { QmpTimeoutError } from '../../qmp/errors.ts';
import type { QmpEvent } from '../../qmp/events.ts';
import { type Incarnation, incarnationKey } from '../../store/incarnation.ts';
import type { VmConfig } from '../../store/vm-config.ts';
import { DEVICE, type VmName } from '../../types.ts';
import type { Counters, DiskCounters } from '../counters.ts';
import { readHostExtras, scaled } from '../extended.ts';
import { HostReader } from '../host-reader.ts';
import { NO_QEMU_EXTRAS, type QemuExtras, readQemuExtras } from '../qemu-extras.ts';
import { type AgentPort, readAgentPort, readDisk, readState } from '../qemu-readings.ts';
import { ratesBetween } from '../rates.ts';
import { fromGuest } from '../sample.ts';
import { OFF, type VmView } from '../view.ts';
import { AgentPoll } from './agent-poll.ts';
import { Coalesced } from './coalesced.ts';
import type { EventLog } from './event-log.ts';
import type { Gate } from './gate.ts';
import { Link } from './link.ts';
import { MemoryPoll } from './memory-poll.ts';
import { RoomWatch } from './room-watch.ts';
import { RunEvents } from './run-events.ts';

export interface RunContext {
  name: VmName;
  files: VmFiles;
  config: VmConfig;
  incarnation: Incarnation;
  /** How long a sample waits for QEMU. */
  deadlineMs: number;
  agents: Gate;
  log: EventLog;
  onCrash: () => void;
  /** It was paused because the disk was full, and there is room again. */
  onRoom: () => void;
  /** There is something new to publish. */
  onChange(): void;
  /** Something happened that is worth a whole sample at once. */
  onUrgent(): void;
}

/** What is not needed every time is read so seldom. */
const SELDOM_MS = 20_000;

/** Samples one run of a VM, from QEMU's start to its end. */
export class RunSampler {
  readonly #context: RunContext;
  readonly #host: HostReader;
  readonly #link: Link;
  readonly #room: RoomWatch;
  readonly #agent: AgentPoll;
  readonly #events: RunEvents;
  readonly #key: string;
  #counters: Counters | undefined;
  #view: VmView = { ...OFF, state: 'unknown' };
  #port: AgentPort = { open: false, busy: false };
  readonly #memory = new MemoryPoll();
  #qemuExtras: Readonly<QemuExtras> = NO_QEMU_EXTRAS;
  #seldomMs = 0;
  #answers = 0;
  readonly #state = new Coalesced(() => this.#refreshState());

  constructor(context: RunContext) {
    const { name, files, config, incarnation, agents } = context;
    this.#context = context;
    this.#key = incarnationKey(incarnation);
    this.#host = new HostReader(name, incarnation, config);
    this.#events = new RunEvents(context.log, files, incarnation, context.onCrash);
    this.#room = new RoomWatch(files.directory, context.onRoom);
    this.#link = new Link(files.stat, {
      onUp: () => this.#up(),
      onDown: () => {
        this.#port = { open: false, busy: false };
        this.#view.state = 'unknown';
        context.onUrgent();
      },
      onEvent: (event) => this.#onEvent(event),
    });
    const source = {
      socket: files.agent,
      mac: config.mac,
      askNet: config.network.mode === 'user',
    };
    this.#agent = new AgentPoll(source, agents, () => context.onChange());
    this.#link.poke();
  }

  get incarnation(): Incarnation {
    return this.#context.incarnation;
  }

  /** How many samples have what only QEMU knows; two of them make rates. */
  get answers(): number {
    return this.#answers;
  }

  /** Most likely its process is about to be gone. */
  get isEnding(): boolean {
    return this.#link.brokeLately;
  }

  /** Whether QEMU is still there: asked before anything is published about it. */
  isAlive(): boolean {
    return this.#host.isAlive();
  }

  get view(): Readonly<VmView> {
    const { responsive, diskUsedBytes, connections } = this.#agent.readings;
    return {
      ...this.#view,
      uptimeSeconds: ageSeconds(this.#context.incarnation),
      diskUsedBytes,
      connections,
      agentResponsive: responsive && this.#port.open && this.#view.state === 'running',
      readAt: { ...this.#view.readAt, agent: this.#agent.answeredAt },
    };
  }

  /** Takes a whole sample. @returns false when this run is over. */
  async sample(): Promise<boolean> {
    const host = this.#host.read();
    if (host === undefined) {
      this.#events.ended(this.#link.isUp || this.isEnding);
      return false;
    }
    const seldom = monotonicMs() >= this.#seldomMs;
    this.#link.poke();
    const disk = await this.#askQemu(seldom);
    this.#events.looked(this.#link.qmp !== undefined);
    if (disk !== null) this.#answers += 1;
    const agent = this.#agent.readings;
    const { config } = this.#context;
    const before = this.#counters;
    const counters: Counters = {
      incarnation: this.#key,
      cpu: host.cpu,
      disk,
      net: host.net ?? fromGuest(config, agent),
    };
    const now = uptimeSeconds();
    const view = this.#view;
    view.rates = ratesBetween(before, counters, view.rates);
    view.counters = counters;
    view.memoryUsedBytes = this.#memory.usedBytes;
    view.kvmExits = this.#qemuExtras.kvmExits;
    view.balloonBytes = this.#qemuExtras.balloonBytes;
    view.readAt = { ...view.readAt, host: now, ...(disk === null ? {} : { qemu: now }) };
    view.extras = { ...view.extras, cpu_throttled_seconds: scaled(host.throttledUsec, 1e6) };
    if (seldom) this.#readSeldom(now);
    // A figure that was missing this time is still the first half of the next rate.
    this.#counters = {
      incarnation: this.#key,
      cpu: counters.cpu ?? before?.cpu ?? null,
      disk: counters.disk ?? before?.disk ?? null,
      net: counters.net ?? before?.net ?? null,
    };
    return true;
  }

  close(): void {
    this.#link.close();
    this.#host.close();
  }

  #readSeldom(now: number): void {
    this.#seldomMs = monotonicMs() + SELDOM_MS;
    const { cpu_throttled_seconds } = this.#view.extras;
    const read = readHostExtras(this.#host, this.#qemuExtras.runDelayNs);
    this.#view.extras = { ...read, cpu_throttled_seconds };
    this.#view.readAt.extended = now;
  }

  async #askQemu(seldom: boolean): Promise<DiskCounters | null> {
    const qmp = this.#link.qmp;
    if (qmp === undefined) return this.#unknown();
    const options = { deadlineMs: this.#context.deadlineMs };
    const { pid, accel } = this.#context.incarnation;
    try {
      const [disk, reported] = await Promise.all([
        readDisk(qmp, options),
        this.#memory.poll(qmp, options),
        seldom ? this.#askState(qmp) : undefined,
        seldom || this.#agent.isDue() ? this.#askPort(qmp) : undefined,
        seldom
          ? readQemuExtras(qmp, { pid, accel, ...options }).then((extras) => {
              this.#qemuExtras = extras;
            })
          : undefined,
      ]);
      if (this.#view.state === 'paused') await this.#room.look(qmp, options);
      if (reported) this.#view.readAt.memory = uptimeSeconds();
      return disk;
    } catch (error) {
      if (error instanceof QmpTimeoutError) void this.#link.reportSilence();
      return this.#unknown();
    }
  }

  #unknown(): null {
    this.#view.state = 'unknown';
    return null;
  }

  async #askState(qmp: QmpClient): Promise<void> {
    this.#view.state = await readState(qmp, { deadlineMs: this.#context.deadlineMs });
  }

  async #askPort(qmp: QmpClient): Promise<void> {
    this.#port = await readAgentPort(qmp, { deadlineMs: this.#context.deadlineMs });
    if (this.#view.state === 'running' && this.#agent.isDue()) this.#agent.ask(this.#port);
  }

  #up(): void {
    this.#host.locate();
    this.#seldomMs = 0;
    this.#context.onUrgent();
  }

  #onEvent(event: QmpEvent): void {
    this.#events.heard(event);
    if (event.name === 'VSERPORT_CHANGE' && event.kind === 'known') {
      if (event.data.id !== DEVICE.agent) return;
      this.#port = { open: event.data.open, busy: false };
      this.#agent.portChanged(event.data.open);
      this.#context.onChange();
      return;
    }
    if (STATE_EVENTS.has(event.name)) this.#state.ask();
  }

  /** An event says that the state changed; QEMU says to what. Many events at once are one question, or two. */
  async #refreshState(): Promise<void> {
    const { qmp } = this.#link;
    if (qmp === undefined) return;
    try {
      await this.#askState(qmp);
      this.#context.onChange();
    } catch (error) {
      if (error instanceof QmpTimeoutError) void this.#link.reportSilence();
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
