import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { readProcessStat } from '../../../src/host/process.ts';
import { sleep } from '../../../src/host/time.ts';
import { programFile } from '../program.ts';
import type { Fleet } from './fleet.ts';

/** The sampler as it is installed, on a fleet of stubs, and what it costs. */
export class StatdProcess {
  readonly #child: ChildProcess;
  readonly #pid: number;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#pid = child.pid ?? 0;
  }

  /** Resolves when it publishes every one of the VMs. */
  static async start(fleet: Fleet, vms: readonly { name: string }[]): Promise<StatdProcess> {
    const child = spawn(programFile('blockhost-qemu'), ['statd'], {
      env: fleet.env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const statd = new StatdProcess(child);
    for (let waited = 0; ; waited += 50) {
      const missing = vms.filter(({ name }) => !fs.existsSync(path.join(fleet.paths.statd, name)));
      if (missing.length === 0) return statd;
      if (waited > 30_000) throw new Error(`${missing.length} VMs are not published`);
      await sleep(50);
    }
  }

  /** CPU seconds so far, user and system. */
  get cpuSeconds(): number {
    return (readProcessStat(this.#pid)?.cpuTicks ?? 0) / 100;
  }

  get residentMb(): number {
    const text = fs.readFileSync(`/proc/${this.#pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]) / 1024;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    await ended;
  }
}
