import * as fs from 'node:fs';
import { messageOf } from '../../errors.ts';
import type { Paths } from '../../host/paths.ts';
import { selfIdentity } from '../../host/process.ts';
import { monotonicMs } from '../../host/time.ts';
import { isVmName, type VmName } from '../../types.ts';
import type { Records } from '../view.ts';
import { Gate } from './gate.ts';
import { places } from './places.ts';
import { Publisher } from './publisher.ts';
import { TICK_MS } from './pulse.ts';
import { VmWatch, type WatchContext } from './vm-watch.ts';

export interface StatdOptions {
  paths: Paths;
  intervalMs: number;
  /** One line for the log. */
  report(line: string): void;
  onRecords?(name: VmName, records: Records): void;
  onGone?(name: VmName): void;
  /** A VM is marked that has crashed, or waits although there is room. */
  onMark?(): void;
}

/** In case a notification was lost. */
const RESCAN_MS = 10_000;
/** Agents asked at the same time: each may hold a socket and a reply. */
const AGENTS = 8;
/** The same trouble is not told again for so long. */
const TROUBLE_MS = 60_000;

/** Watches all VMs of a state directory as they come and go, and publishes what they use. */
export class Statd {
  readonly #options: StatdOptions;
  readonly #watches = new Map<VmName, VmWatch>();
  readonly #notifiers = new Map<string, fs.FSWatcher>();
  readonly #troubles = new Map<string, number>();
  readonly #context: WatchContext;
  #timer: NodeJS.Timeout | undefined;
  #ticks: NodeJS.Timeout | undefined;

  constructor(options: StatdOptions) {
    this.#options = options;
    const { paths, intervalMs } = options;
    this.#context = {
      paths,
      intervalMs,
      publisher: new Publisher(paths),
      agents: new Gate(AGENTS),
      placeMs: places(intervalMs),
      self: selfIdentity(),
      onStuck: (name) => this.#mark(name),
      onGone: (name) => this.#forget(name),
      onTrouble: (name, error) => this.#trouble(`VM ${name}: ${messageOf(error)}`),
      onRecords: (name, records) => options.onRecords?.(name, records),
    };
  }

  get count(): number {
    return this.#watches.size;
  }

  start(): void {
    this.#context.publisher.prepare();
    this.#rescan();
    for (const name of this.#context.publisher.names()) {
      if (!this.#watches.has(name)) this.#context.publisher.remove(name);
    }
    this.#timer = setInterval(() => this.#rescan(), RESCAN_MS);
    this.#tick(monotonicMs());
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#ticks);
    for (const notifier of this.#notifiers.values()) notifier.close();
    for (const watch of this.#watches.values()) watch.stop();
    this.#watches.clear();
  }

  /** @param dueMs of monotonicMs(): one that is late makes the next come sooner, and none is made up for. */
  #tick(dueMs: number): void {
    for (const watch of this.#watches.values()) watch.tick();
    const next = dueMs + TICK_MS;
    const waitMs = Math.max(1, next - monotonicMs());
    this.#ticks = setTimeout(() => this.#tick(Math.max(next, monotonicMs() - TICK_MS)), waitMs);
  }

  /** A run begins with its directory of sockets being made, and a VM with its first run. */
  #notify(directory: string): void {
    if (this.#notifiers.has(directory) || !fs.existsSync(directory)) return;
    try {
      const notifier = fs.watch(directory, (_event, entry) => {
        if (!isVmName(entry)) return;
        const watch = this.#watches.get(entry);
        if (watch !== undefined) watch.poke();
        else this.#adopt(entry)?.poke();
      });
      notifier.on('error', (error) => {
        notifier.close();
        this.#notifiers.delete(directory);
        this.#trouble(`${directory}: ${error.message}`);
      });
      this.#notifiers.set(directory, notifier);
    } catch (error) {
      this.#trouble(`${directory} cannot be watched: ${messageOf(error)}`);
    }
  }

  #rescan(): void {
    this.#notify(this.#options.paths.run);
    this.#notify(this.#options.paths.vms);
    let entries: string[] = [];
    try {
      entries = fs.readdirSync(this.#options.paths.vms);
    } catch (error) {
      // Before the first VM there is no such directory.
      if (fs.existsSync(this.#options.paths.vms)) this.#trouble(messageOf(error));
    }
    for (const entry of entries) if (isVmName(entry)) this.#adopt(entry);
  }

  #adopt(name: VmName): VmWatch | undefined {
    if (this.#watches.has(name)) return undefined;
    try {
      if (!fs.existsSync(this.#options.paths.vm(name).config)) return undefined;
      const watch = new VmWatch(name, this.#context);
      this.#watches.set(name, watch);
      watch.start();
      return watch;
    } catch (error) {
      this.#trouble(`VM ${name}: ${messageOf(error)}`);
      return undefined;
    }
  }

  #forget(name: VmName): void {
    this.#watches.get(name)?.stop();
    this.#watches.delete(name);
    this.#context.publisher.remove(name);
    this.#options.onGone?.(name);
  }

  #mark(name: VmName): void {
    try {
      this.#context.publisher.mark(name);
      this.#options.onMark?.();
    } catch (error) {
      this.#trouble(`VM ${name} cannot be marked: ${messageOf(error)}`);
    }
  }

  #trouble(line: string): void {
    const now = monotonicMs();
    if (now < (this.#troubles.get(line) ?? Number.NEGATIVE_INFINITY)) return;
    if (this.#troubles.size > 1000) this.#troubles.clear();
    this.#troubles.set(line, now + TROUBLE_MS);
    this.#options.report(line);
  }
}
