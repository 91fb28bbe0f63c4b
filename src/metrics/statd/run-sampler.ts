import type { VmFiles } from '../../host/paths.ts';
import { ageSeconds } from '../../host/process.ts';
import { monotonicMs } from '../../host/time.ts';
import { uptimeSeconds } from '../../host/uptime.ts';
import { type Incarnation, incarnationKey } from '../../store/incarnation.ts';
import type { VmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import type { Counters } from '../counters.ts';
import { readHostExtras, scaled } from '../extended.ts';
import { HostReader } from '../host-reader.ts';
import { ratesBetween } from '../rates.ts';
import { fromGuest } from '../sample.ts';
import { OFF, type VmView } from '../view.ts';
import { AgentPoll } from './agent-poll.ts';
import type { EventLog } from './event-log.ts';
import type { Gate } from './gate.ts';
import { QemuSide } from './qemu-side.ts';
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
  readonly #qemu: QemuSide;
  readonly #agent: AgentPoll;
  readonly #events: RunEvents;
  readonly #key: string;
  #counters: Counters | undefined;
  #view: VmView = { ...OFF };
  #seldomMs = 0;
  #answers = 0;

  constructor(context: RunContext) {
    const { name, files, config, incarnation, agents, deadlineMs } = context;
    this.#context = context;
    this.#key = incarnationKey(incarnation);
    this.#host = new HostReader(name, incarnation, config);
    this.#events = new RunEvents(context.log, files, incarnation, context.onCrash);
    const source = {
      socket: files.agent,
      mac: config.mac,
      askNet: config.network.mode === 'user',
    };
    this.#agent = new AgentPoll(source, agents, () => context.onChange());
    this.#qemu = new QemuSide({
      ...{ socket: files.stat, incarnation, deadlineMs, agent: this.#agent },
      room: new RoomWatch(files.directory, context.onRoom),
      onUp: () => this.#up(),
      onDown: () => context.onUrgent(),
      onHung: () => context.onUrgent(),
      cpuTimes: () => this.#host.cpuTimes(),
      onEvent: (event) => this.#events.heard(event),
      onChange: () => context.onChange(),
    });
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
    return this.#qemu.brokeLately;
  }

  /** Whether QEMU is still there: asked before anything is published about it. */
  isAlive(): boolean {
    return this.#host.isAlive();
  }

  /** Called every TICK_MS. */
  tick(): void {
    this.#qemu.tick();
  }

  get view(): Readonly<VmView> {
    const { responsive, diskUsedBytes, connections } = this.#agent.readings;
    const { state, isAgentOpen, memoryReadAt } = this.#qemu;
    return {
      ...this.#view,
      state,
      uptimeSeconds: ageSeconds(this.#context.incarnation),
      diskUsedBytes,
      connections,
      agentResponsive: responsive && isAgentOpen && state === 'running',
      readAt: { ...this.#view.readAt, memory: memoryReadAt, agent: this.#agent.answeredAt },
    };
  }

  /** Takes a whole sample. @returns false when this run is over. */
  async sample(): Promise<boolean> {
    const host = this.#host.read();
    if (host === undefined) {
      await this.#qemu.hearOut();
      this.#events.ended(this.#qemu.isUp || this.isEnding);
      return false;
    }
    // Its state is to be asked for when it goes on.
    if (host.stopped) this.#seldomMs = 0;
    const seldom = monotonicMs() >= this.#seldomMs;
    const disk = host.stopped ? this.#qemu.leave() : await this.#qemu.ask(seldom);
    const isCertain = host.stopped || this.#qemu.isHung;
    this.#events.looked(!host.stopped && this.#qemu.answers, isCertain);
    if (disk !== null) this.#answers += 1;
    const before = this.#counters;
    const counters: Counters = {
      incarnation: this.#key,
      cpu: host.cpu,
      disk,
      net: host.net ?? fromGuest(this.#context.config, this.#agent.readings),
    };
    const now = uptimeSeconds();
    const view = this.#view;
    view.rates = ratesBetween(before, counters, view.rates);
    view.counters = counters;
    view.memoryUsedBytes = this.#qemu.memoryUsedBytes;
    view.kvmExits = this.#qemu.extras.kvmExits;
    view.balloonBytes = this.#qemu.extras.balloonBytes;
    view.readAt = { ...view.readAt, host: now, ...(disk === null ? {} : { qemu: now }) };
    view.extras = { ...view.extras, cpu_throttled_seconds: scaled(host.throttledUsec, 1e6) };
    if (seldom && !host.stopped) this.#readSeldom(now);
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
    this.#qemu.close();
    this.#host.close();
  }

  #readSeldom(now: number): void {
    this.#seldomMs = monotonicMs() + SELDOM_MS;
    const { cpu_throttled_seconds } = this.#view.extras;
    const read = readHostExtras(this.#host, this.#qemu.extras.runDelayNs);
    this.#view.extras = { ...read, cpu_throttled_seconds };
    this.#view.readAt.extended = now;
  }

  #up(): void {
    this.#host.locate();
    this.#seldomMs = 0;
    this.#context.onUrgent();
  }
}
