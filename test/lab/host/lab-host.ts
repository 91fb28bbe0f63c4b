/**
 * A real Debian host for tests: systemd is PID 1, cgroup v2, bridge br0 with 192.0.2.1/24 and
 * 2001:db8:b10c::1/64, nftables, BlockHost's user, folders and root agent, QEMU, the program under test.
 *
 *   const host = await LabHost.boot({ after });        // after: of node:test, or a test's context
 *   await host.ok(['ip', 'link']);                     // stdout; fails unless the exit code is 0
 *   await host.sh('systemctl stop x && ls /run');      // the same for a shell script
 *   await host.exec(['false']);                        // { code, stdout, stderr }
 *   await host.exec(asEngine(['id', '-un']));          // as BlockHost's engine runs commands (engine.ts)
 *   await host.reboot();                               // orderly; back when it is up again
 *   await host.cutPower(); await host.switchOn();      // with the disk as it was at that moment
 *   await host.powerOff(); await host.switchOn();      // orderly
 *   host.share                                         // a folder here, /lab/share inside
 *
 * Everything runs as root inside. The project lies read-only at /lab/project there. Tests that run inside
 * altogether need none of this: see docs/lab.md.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { messageOf, ProvisionerError } from '../../../src/errors.ts';
import { sleep } from '../../../src/host/time.ts';
import { projectRoot } from '../../support/program.ts';
import { tinyGuest } from '../../support/tiny-guest/build.ts';
import { Channel, type ExecOptions, type ExecResult, type Stdin } from './channel.ts';
import { type Cpu, takeCpu } from './cpu.ts';
import { followParent } from './follow-parent.ts';
import { labCache, labImage } from './image.ts';
import { installPackage, installProgram, PROJECT } from './install-program.ts';
import { preload } from './preload.ts';
import { type Mount, startUml, type Uml } from './uml.ts';
import { type WorkDirectory, workDirectory } from './workdir.ts';

export type { ExecOptions, ExecResult } from './channel.ts';
export { HostLostError } from './channel.ts';
export { asEngine } from './engine.ts';

export interface BootOptions {
  /** Default 2048; memory is taken as it is used. */
  memoryMb?: number;
  /** Whether the program is installed. Default true. */
  program?: boolean;
  /** A package of it to install, in place of what lies in dist. */
  deb?: string;
  /** More folders of this machine. */
  mounts?: readonly Mount[];
}

/** Who says when the host is to be ended: node:test, or the context of a test. */
interface Scope {
  after(hook: () => Promise<void>): unknown;
}

/** A boot takes some 7 s; a busy machine may take much longer. */
const BOOT_MS = 180_000;
const POWER_OFF_MS = 120_000;

export class LabHost {
  /** A folder on this machine that the host has at /lab/share. */
  readonly share: string;
  /** Environment of every command. */
  readonly env: Readonly<Record<string, string>>;

  readonly #image: string;
  readonly #library: string;
  readonly #work: WorkDirectory;
  readonly #cpu: Cpu;
  readonly #options: BootOptions;
  readonly #mounts: readonly Mount[];
  #on: { uml: Uml; channel: Channel } | undefined;

  private constructor(made: Made, options: BootOptions) {
    this.#image = made.image;
    this.#library = made.library;
    this.#work = made.work;
    this.#cpu = made.cpu;
    this.#options = options;
    this.share = path.join(made.work.path, 'share');
    // Not at their own paths: those may lead through folders that user blockhost cannot enter.
    const guests = '/lab/tiny-guest';
    this.env = { BLOCKHOST_TINY_GUEST: path.join(guests, path.basename(made.guest)) };
    this.#mounts = [
      { from: projectRoot(), to: PROJECT, mode: 'ro' },
      { from: path.dirname(made.guest), to: guests, mode: 'ro' },
      { from: this.share, to: '/lab/share', mode: 'rw' },
      ...(options.mounts ?? []),
    ];
  }

  static async boot(scope: Scope, options: BootOptions = {}): Promise<LabHost> {
    followParent();
    const guest = await tinyGuest();
    const image = await labImage();
    const library = await preload(labCache());
    const made = { image, library, guest, work: workDirectory(), cpu: await takeCpu() };
    const host = new LabHost(made, options);
    scope.after(() => host.#dispose());
    fs.mkdirSync(host.share);
    await host.switchOn();
    if (options.deb !== undefined) await installPackage(host, options.deb);
    else if (options.program ?? true) await installProgram(host);
    return host;
  }

  /** Boots it with the disk as it is. @returns the number of the boot, 1 for the first. */
  async switchOn(): Promise<number> {
    if (this.#on !== undefined) throw new ProvisionerError('the lab host is on');
    const uml = startUml({
      image: this.#image,
      library: this.#library,
      directory: this.#work.path,
      memoryMb: this.#options.memoryMb ?? 2048,
      cpu: this.#cpu.number,
      mounts: this.#mounts,
    });
    const channel = new Channel(uml.line);
    this.#on = { uml, channel };
    void uml.ended.then((how) => {
      channel.lose(`the lab host ended (${how})`);
      if (this.#on?.uml === uml) this.#on = undefined;
    });
    return await this.#booted(uml, channel);
  }

  /** Restarts it as `reboot` would. @returns the number of the boot. */
  async reboot(): Promise<number> {
    const { uml, channel } = this.#power();
    channel.expectReboot();
    this.exec(['systemctl', 'reboot']).catch(() => undefined);
    return await this.#booted(uml, channel);
  }

  /** Shuts it down as `poweroff` would. */
  async powerOff(): Promise<void> {
    const { uml } = this.#power();
    this.exec(['systemctl', 'poweroff']).catch(() => undefined);
    await this.#within(POWER_OFF_MS, 'did not power off', uml.ended);
    this.#on = undefined;
  }

  /** Ends it between two instructions. What its kernel had not written to the disk yet is lost. */
  async cutPower(): Promise<void> {
    const { uml } = this.#power();
    uml.process.kill('SIGKILL');
    await uml.ended;
    this.#on = undefined;
  }

  get isOn(): boolean {
    return this.#on !== undefined;
  }

  /** Runs a command as root. Its failure is a result; that the host went down under it is an error. */
  exec(
    argv: readonly string[],
    options: ExecOptions = {},
    stdin?: (to: Stdin) => void,
  ): Promise<ExecResult> {
    const env = { ...this.env, ...options.env };
    return this.#power().channel.exec(argv, { ...options, env }, stdin);
  }

  /** Runs a command that has to succeed. @returns its stdout */
  async ok(argv: readonly string[], options?: ExecOptions): Promise<string> {
    const { code, stdout, stderr } = await this.exec(argv, options);
    if (code === 0) return stdout;
    throw new ProvisionerError(`${argv.join(' ')}: exit code ${code}: ${stderr || stdout}`);
  }

  /** Runs a shell script that has to succeed. @returns its stdout without the last newline */
  async sh(script: string, options?: ExecOptions): Promise<string> {
    return (await this.ok(['sh', '-euc', script], options)).trimEnd();
  }

  /** What its kernel said last. */
  consoleTail(lines = 20): string {
    const log = path.join(this.#work.path, 'console.log');
    return fs.readFileSync(log, 'latin1').trimEnd().split('\n').slice(-lines).join('\n');
  }

  async #booted(uml: Uml, channel: Channel): Promise<number> {
    const lost = uml.ended.then((how): never => {
      throw new ProvisionerError(`the lab host ended (${how}): ${this.consoleTail()}`);
    });
    const boot = await this.#within(BOOT_MS, 'did not boot', Promise.race([channel.ready, lost]));
    lost.catch(() => undefined);
    // Everything that is started at boot has been, well or not.
    await this.exec(['systemctl', 'is-system-running', '--wait'], { timeoutMs: BOOT_MS });
    return boot;
  }

  async #within<T>(ms: number, what: string, result: Promise<T>): Promise<T> {
    const enough = new AbortController();
    const late = sleep(ms, enough.signal).then((): never => {
      throw new ProvisionerError(
        `the lab host ${what} within ${ms / 1000} s: ${this.consoleTail()}`,
      );
    });
    late.catch(() => undefined);
    try {
      return await Promise.race([result, late]);
    } finally {
      enough.abort(new Error('done'));
    }
  }

  #power(): { uml: Uml; channel: Channel } {
    if (this.#on !== undefined) return this.#on;
    throw new ProvisionerError(`the lab host is off: ${this.consoleTail()}`);
  }

  async #dispose(): Promise<void> {
    try {
      if (this.#on !== undefined) await this.cutPower();
    } catch (error) {
      console.error(`lab: ${messageOf(error)}`);
    }
    await this.#work.remove();
    this.#cpu.release();
  }
}

interface Made {
  image: string;
  library: string;
  guest: string;
  work: WorkDirectory;
  cpu: Cpu;
}
