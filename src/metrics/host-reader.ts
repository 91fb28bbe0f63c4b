import { readCpu } from '../cgroups/cpu.ts';
import { Cgroup } from '../cgroups/group.ts';
import { KeptFile } from '../host/kept-file.ts';
import { type ProcessStat, parseProcessStat, TICKS_PER_SECOND } from '../host/process.ts';
import { readThreads } from '../host/threads.ts';
import { monotonicMs } from '../host/time.ts';
import type { Incarnation } from '../store/incarnation.ts';
import type { VmConfig } from '../store/vm-config.ts';
import { scopeName } from '../systemd/scope.ts';
import type { VmName } from '../types.ts';
import { type CpuCounter, monotonicNowMs, type NetCounters } from './counters.ts';
import type { CpuTimes } from './starvation.ts';

export interface HostReadings {
  cpu: CpuCounter | null;
  net: NetCounters | null;
  /** How long the VM's cgroup was held back by its limit, µs; null where QEMU has none of its own. */
  throttledUsec: number | null;
  /** A signal or a debugger has stopped QEMU: it answers nothing until it is let go on. */
  stopped: boolean;
}

/** What the host knows of one run of a VM, without asking QEMU: nothing in it can make this wait. */
export class HostReader {
  #cgroup: Cgroup | undefined;
  readonly #name: VmName;
  readonly #incarnation: Incarnation;
  readonly #process: KeptFile;
  readonly #tap: { rx: KeptFile; tx: KeptFile } | undefined;

  constructor(name: VmName, incarnation: Incarnation, { network }: VmConfig) {
    this.#incarnation = incarnation;
    this.#process = new KeptFile(`/proc/${incarnation.pid}/stat`);
    this.#name = name;
    this.locate();
    if (network.mode === 'bridge') {
      const directory = `/sys/class/net/${network.tap}/statistics`;
      // What the host sends into the tap is what the guest receives.
      const rx = new KeptFile(`${directory}/tx_bytes`);
      this.#tap = { rx, tx: new KeptFile(`${directory}/rx_bytes`) };
    }
  }

  /** The VM's own cgroup; undefined where it has none. */
  get cgroup(): Cgroup | undefined {
    return this.#cgroup;
  }

  /** Looks for it again: a process is noted before it has joined its scope, and certainly in it when QEMU answers. */
  locate(): void {
    this.#cgroup ??= Cgroup.of(this.#incarnation.pid, scopeName(this.#name));
  }

  /** Undefined when this run is over. */
  read(): HostReadings | undefined {
    const process = this.#ownProcess();
    if (process === undefined) return undefined;
    const group = this.cgroup === undefined ? undefined : readCpu(this.cgroup);
    return {
      cpu: this.#cpu(process, group?.usageUsec ?? null),
      net: this.#net(),
      throttledUsec: group?.throttledUsec ?? null,
      stopped: isStopped(process),
    };
  }

  /** Whether the very process this run began with is there: one system call. */
  isAlive(): boolean {
    return this.#ownProcess() !== undefined;
  }

  /** Dear: some system calls for each of its threads. */
  cpuTimes(): CpuTimes {
    return {
      atMs: monotonicMs(),
      threads: readThreads(this.#incarnation.pid),
      throttledUsec:
        this.cgroup === undefined ? null : (readCpu(this.cgroup)?.throttledUsec ?? null),
    };
  }

  close(): void {
    this.#process.close();
    this.#tap?.rx.close();
    this.#tap?.tx.close();
    this.cgroup?.close();
  }

  #ownProcess(): ProcessStat | undefined {
    const text = this.#process.read();
    const stat = text === undefined ? undefined : parseProcessStat(text);
    const own = stat?.startTime === this.#incarnation.startTime && !'ZX'.includes(stat.state);
    return own ? stat : undefined;
  }

  /** One source for the whole run: a cgroup that is gone for a moment gives no figure rather than another one. */
  #cpu(process: ProcessStat, usageUsec: number | null): CpuCounter | null {
    const atMs = monotonicNowMs();
    if (this.cgroup === undefined) {
      return { atMs, source: 'process', usec: (process.cpuTicks * 1e6) / TICKS_PER_SECOND };
    }
    return usageUsec === null ? null : { atMs, source: 'cgroup', usec: usageUsec };
  }

  #net(): NetCounters | null {
    if (this.#tap === undefined) return null;
    const [rx, tx] = [this.#tap.rx.read(), this.#tap.tx.read()];
    if (rx === undefined || tx === undefined) return null;
    return { atMs: monotonicNowMs(), source: 'tap', rxBytes: Number(rx), txBytes: Number(tx) };
  }
}

/** `T` and `t` of proc_pid_stat(5). */
function isStopped({ state }: ProcessStat): boolean {
  return state === 'T' || state === 't';
}
