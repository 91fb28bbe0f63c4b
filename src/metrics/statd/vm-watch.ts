import * as fs from 'node:fs';
import type { Paths, VmFiles } from '../../host/paths.ts';
import type { ProcessIdentity } from '../../host/process.ts';
import { monotonicMs } from '../../host/time.ts';
import { uptimeSeconds } from '../../host/uptime.ts';
import { runningIncarnation } from '../../store/incarnation.ts';
import { readVmConfig, type VmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { formatPublished, type StatusWord } from '../published.ts';
import type { MetricsRecord } from '../record.ts';
import { OFF, type Records, toRecords } from '../view.ts';
import { Chronicle } from './chronicle.ts';
import type { Gate } from './gate.ts';
import { Past } from './past.ts';
import type { Publisher } from './publisher.ts';
import { RunSampler } from './run-sampler.ts';

export interface WatchContext {
  paths: Paths;
  intervalMs: number;
  publisher: Publisher;
  agents: Gate;
  /** The next VM's moment within the interval, milliseconds. */
  placeMs(): number;
  /** This process: what is said of a VM that is off is true as long as somebody looks. */
  self: ProcessIdentity;
  /** It has crashed and is to be started again, or waits although there is room: somebody who may is to see to it. */
  onStuck(name: VmName): void;
  /** There is no such VM any more. */
  onGone(name: VmName): void;
  /** What kept a sample from being published; for a person, seldom. */
  onTrouble(name: VmName, error: unknown): void;
  /** What is known of a VM has changed. */
  onRecords(name: VmName, records: Records): void;
}

/** A record stays valid over one sample that is late or lost. */
const VALID_INTERVALS = 2.5;
/** Pauses after the first samples of a run: two close together make the first rates. */
const FIRST_PAUSES_MS = [250, 1000];
/** A VM that is being started is looked at so often, for so long. */
const EXPECT = { everyMs: 25, forMs: 30_000 };
/** A new run is published with its first rates, or after so long as one that does not answer. */
const GRACE_MS = 1500;

/** One VM, running or not, from the moment it exists until it is gone. Nothing it does can throw or wait for another. */
export class VmWatch {
  readonly #name: VmName;
  readonly #context: WatchContext;
  readonly #files: VmFiles;
  #config: VmConfig | undefined;
  #configStamp = '';
  #run: RunSampler | undefined;
  #runSince = 0;
  readonly #past: Past;
  readonly #chronicle: Chronicle;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  #again = false;
  #expectUntil = 0;
  #offPublishedMs = Number.NEGATIVE_INFINITY;
  readonly #placeMs: number;
  #stopped = false;

  constructor(name: VmName, context: WatchContext) {
    this.#name = name;
    this.#context = context;
    this.#files = context.paths.vm(name);
    const events = context.paths.events(name);
    this.#chronicle = new Chronicle(this.#files, events, () => context.onStuck(name));
    this.#past = new Past(context.paths.history(name), context.intervalMs);
    this.#placeMs = context.placeMs();
  }

  start(): void {
    this.#hurry();
  }

  /** The directory of its sockets was made or removed: look at once, and often while a run is expected. */
  poke(): void {
    if (fs.existsSync(this.#files.run)) this.#expectUntil = monotonicMs() + EXPECT.forMs;
    this.#hurry();
  }

  /** Called every TICK_MS: whether QEMU still answers. */
  tick(): void {
    this.#run?.tick();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#endRun();
    this.#past.close();
    this.#chronicle.close();
  }

  #hurry(): void {
    if (this.#stopped) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.#turn();
  }

  async #turn(): Promise<void> {
    this.#busy = true;
    try {
      await this.#look();
    } catch (error) {
      this.#context.onTrouble(this.#name, error);
    }
    this.#busy = false;
    if (this.#stopped) return;
    if (this.#again) {
      this.#again = false;
      setImmediate(() => this.#hurry());
    } else {
      this.#timer = setTimeout(() => this.#hurry(), this.#pauseMs());
    }
  }

  #pauseMs(): number {
    const { intervalMs } = this.#context;
    if (this.#run === undefined) {
      const expected = monotonicMs() < this.#expectUntil;
      return expected ? Math.min(EXPECT.everyMs, intervalMs) : intervalMs;
    }
    if (this.#run.isEnding) return Math.min(EXPECT.everyMs, intervalMs);
    const young = monotonicMs() - this.#runSince < GRACE_MS;
    const soon = FIRST_PAUSES_MS[Math.max(1, this.#run.answers) - 1];
    if (soon !== undefined && soon < intervalMs && (young || this.#run.answers > 0)) return soon;
    // Not all at once, and not each alone (places.ts).
    const sincePlace = monotonicMs() - this.#placeMs;
    const turns = Math.ceil((sincePlace + intervalMs / 2) / intervalMs);
    return Math.max(1, turns * intervalMs - sincePlace);
  }

  async #look(): Promise<void> {
    const config = this.#readConfig();
    if (config === undefined) return this.#context.onGone(this.#name);
    if (this.#run === undefined) this.#beginRun(config);
    if (this.#run !== undefined && !(await this.#run.sample())) {
      this.#endRun();
      // A restart may be so fast that the next run is there already.
      this.#beginRun(config);
    } else if (this.#run === undefined) this.#chronicle.noteMissed(config);
    if (this.#stopped) return;
    const record = this.#publish();
    const isKnown = this.#run !== undefined && this.#run.answers >= 2;
    if (record !== undefined && isKnown) this.#past.add(config.uuid, record);
  }

  /** Read anew only when it was replaced. Undefined when there is no such VM. */
  #readConfig(): VmConfig | undefined {
    const stat = fs.statSync(this.#files.config, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    const stamp = `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
    if (this.#config === undefined || stamp !== this.#configStamp) {
      this.#config = readVmConfig(this.#name, this.#files);
      this.#configStamp = stamp;
    }
    return this.#config;
  }

  #beginRun(config: VmConfig): void {
    const incarnation = runningIncarnation(this.#files);
    if (incarnation === undefined) return;
    // Until there is something to say of this run, nothing is said: what is there speaks of the one before.
    this.#context.publisher.withdraw(this.#name);
    const { intervalMs, agents } = this.#context;
    this.#run = new RunSampler({
      name: this.#name,
      files: this.#files,
      config,
      incarnation,
      deadlineMs: Math.min(1000, intervalMs / 2),
      agents,
      log: this.#chronicle.logOf(config),
      onCrash: () => this.#chronicle.crashed(this.#config ?? config),
      onRoom: () => this.#context.onStuck(this.#name),
      onChange: () => this.#publishNow(),
      onUrgent: () => this.#hurry(),
    });
    this.#runSince = monotonicMs();
  }

  #endRun(): void {
    this.#run?.close();
    this.#run = undefined;
    this.#expectUntil = 0;
  }

  #publishNow(): void {
    if (this.#stopped || this.#busy) return;
    try {
      this.#publish();
    } catch (error) {
      this.#context.onTrouble(this.#name, error);
    }
  }

  /** @returns what was published; undefined while there is nothing true to say. */
  #publish(): MetricsRecord | undefined {
    const config = this.#config;
    if (config === undefined) return undefined;
    const run = this.#run;
    const view = run?.view ?? OFF;
    if (run !== undefined) {
      if (run.answers < 2 && monotonicMs() - this.#runSince < GRACE_MS) return undefined;
      // One that ended under our hands is seen at the next look.
      if (!run.isAlive()) {
        setImmediate(() => this.#hurry());
        return undefined;
      }
    }
    const { intervalMs, self, publisher, onRecords } = this.#context;
    if (run === undefined && monotonicMs() - this.#offPublishedMs < intervalMs) return undefined;
    this.#offPublishedMs = run === undefined ? monotonicMs() : Number.NEGATIVE_INFINITY;
    const records = toRecords(config, view);
    const now = uptimeSeconds();
    publisher.put(
      this.#name,
      formatPublished({
        validUntil: Math.ceil(now + (intervalMs * VALID_INTERVALS) / 1000),
        writtenAt: Math.floor(now),
        process: run?.incarnation ?? self,
        status: this.#statusWord(records.record.state),
        ...records,
      }),
    );
    onRecords(this.#name, records);
    return records.record;
  }

  /** Where a verb is under way, or has left traces of a run, the store of records has the word. */
  #statusWord(state: MetricsRecord['state']): StatusWord {
    if (state === 'unknown' || fs.existsSync(this.#context.paths.journal(this.#name))) return '-';
    if (state === 'running') return 'active';
    const traces = this.#run === undefined && fs.existsSync(this.#files.pid);
    return traces ? '-' : 'suspended';
  }
}
