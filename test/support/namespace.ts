import * as fs from 'node:fs';
import { run } from '../../src/host/exec.ts';

interface Scope {
  after(hook: () => Promise<void>): void;
}

let made = 0;

/** A network namespace of its own with a bridge `br0`, removed at the end with all that runs in it. */
export class Namespace {
  readonly name = `bv${process.pid}n${made++}`;

  static async make(scope: Scope, address: string): Promise<Namespace> {
    const namespace = new Namespace();
    await run('ip', ['netns', 'add', namespace.name]);
    scope.after(() => namespace.#remove());
    await namespace.ip('link set lo up');
    await namespace.ip('link add br0 type bridge');
    await namespace.ip(`addr add ${address} dev br0`);
    await namespace.ip('link set br0 up');
    return namespace;
  }

  /** For ProgramOptions.prefix. */
  get prefix(): string[] {
    return ['ip', 'netns', 'exec', this.name];
  }

  async ip(words: string): Promise<string> {
    return (await run('ip', ['-netns', this.name, ...words.split(' ')])).stdout;
  }

  /** Runs a command inside. @returns its stdout and exit code, whatever that is. */
  async exec(...argv: string[]): Promise<{ stdout: string; exitCode: number }> {
    const okCodes = Array.from({ length: 256 }, (_, code) => code);
    const [, ...args] = [...this.prefix, ...argv];
    return await run('ip', args, { okCodes });
  }

  /** The taps there are now. */
  async taps(): Promise<string[]> {
    const links = (await this.ip('-o link show')).split('\n');
    return links.map((line) => /^\d+: (tap[^:@]*)/.exec(line)?.[1] ?? '').filter((n) => n !== '');
  }

  async #remove(): Promise<void> {
    const { stdout } = await run('ip', ['netns', 'pids', this.name]);
    for (const pid of stdout.split('\n').filter((line) => line !== '')) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It ended meanwhile.
      }
    }
    if (fs.existsSync(`/run/netns/${this.name}`)) await run('ip', ['netns', 'delete', this.name]);
  }
}
