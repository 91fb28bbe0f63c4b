import * as fs from 'node:fs';
import { sleep } from '../../../src/host/time.ts';
import { parseVmName } from '../../../src/types.ts';
import { destroyVm } from '../../../src/vm/destroy.ts';
import { killVm } from '../../../src/vm/stop.ts';
import type { Random } from '../random.ts';
import type { BlankVms } from './blank-vms.ts';

const VERBS: readonly ((vms: BlankVms, name: string, random: Random) => string[])[] = [
  (vms, name) => vms.createArgs(name),
  (_, name) => ['start', name],
  (_, name) => ['start', name],
  (_, name) => ['stop', name, '--timeout', '0'],
  (_, name) => ['kill', name],
  (_, name) => ['pause', name],
  (_, name, random) => ['throttle', name, '--iops-read', String(100 + random.below(900))],
  (_, name) => ['throttle', name, '--reset'],
  (_, name, random) => ['configure', name, '--memory', String(128 + random.below(64))],
  (_, name, random) => ['snapshot', 'create', name, `s${random.below(3)}x`],
  (_, name, random) => ['snapshot', 'delete', name, `s${random.below(3)}x`],
  (_, name) => ['destroy', name],
];

/** Random verbs on some VMs, one after the other, some killed at a random moment. */
export class RandomLife {
  done = 0;
  killed = 0;
  checked = 0;
  readonly #vms: BlankVms;
  readonly #names: readonly string[];
  readonly #random: Random;
  /** VMs on whose disk is something that must not be lost. */
  readonly #marked = new Set<string>();
  readonly #found: string[] = [];

  constructor(vms: BlankVms, names: readonly string[], random: Random) {
    this.#vms = vms;
    this.#names = names;
    this.#random = random;
  }

  async live(goesOn: (done: number) => boolean): Promise<void> {
    while (goesOn(this.done)) {
      const name = this.#random.pick(this.#names);
      const argv = this.#random.pick(VERBS)(this.#vms, name, this.#random);
      const killAfterMs = this.#random.chance(0.3) ? this.#random.below(1200) : undefined;
      await this.#do(name, argv, killAfterMs);
      if (this.done % 20 === 0) await this.#check(name);
    }
  }

  /** Every VM is taken off, its disk read, and destroyed. @returns what was wrong. */
  async finish(): Promise<string[]> {
    for (const name of this.#names) {
      await this.#check(name);
      await destroyVm(this.#vms.sandbox.host(), parseVmName(name));
    }
    return this.#found;
  }

  async #do(name: string, argv: readonly string[], killAfterMs: number | undefined): Promise<void> {
    const [verb = '', ...args] = argv;
    const there = this.#isThere(name);
    // A destroy that was killed is finished by the next verb: from then on nothing is missed.
    if (verb === 'destroy') this.#marked.delete(name);
    const running = this.#vms.sandbox.begin(verb, args);
    if (killAfterMs !== undefined) {
      await Promise.race([running.done, sleep(killAfterMs)]);
      if (running.child.kill('SIGKILL')) this.killed += 1;
    }
    const { code, stderr } = await running.done;
    this.done += 1;
    if (/internal error|^\s+at /m.test(stderr)) this.#found.push(`${argv.join(' ')}: ${stderr}`);
    if (verb === 'create' && code === 0 && !there) await this.#check(name);
  }

  /** Reads what was written when the VM was made; writes it when it is new. */
  async #check(name: string): Promise<void> {
    if (!this.#isThere(name)) {
      if (this.#marked.delete(name)) this.#found.push(`vm ${name} is LOST`);
      return;
    }
    await killVm(this.#vms.sandbox.host(), parseVmName(name)).catch(() => undefined);
    if (!this.#isThere(name)) return;
    const good = await this.#vms.mark(name, this.#marked.has(name) ? 'read' : 'write');
    if (this.#marked.has(name)) this.checked += 1;
    if (!good) this.#found.push(`the disk of ${name} has LOST what was written to it`);
    this.#marked.add(name);
  }

  #isThere(name: string): boolean {
    return fs.existsSync(this.#vms.sandbox.files(name).disk);
  }
}
