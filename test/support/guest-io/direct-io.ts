import * as fs from 'node:fs';
import * as path from 'node:path';
import { run } from '../../../src/host/exec.ts';
import { projectRoot } from '../program.ts';
import { temporaryDirectory } from '../temporary.ts';

/** Runs a shell command in the guest; it fails unless its exit code is 0. */
type InGuest = (command: string) => Promise<string>;

export type IoKind = 'read' | 'write';

/** Where each begins: reads where the image has data, writes where the tiny guest has nothing. In MiB. */
const BEGIN: Record<IoKind, number> = { read: 1, write: 400 };

/** The guest's requests are no longer answered. */
export class StuckLoadError extends Error {}

/**
 * Direct I/O of 4 KiB on the guest's disk, without end, and many requests at once: what `dd` has under way alone is no
 * load for a limit of thousands.
 */
export class DirectIo {
  readonly #inGuest: InGuest;

  private constructor(inGuest: InGuest) {
    this.#inGuest = inGuest;
  }

  /** Compiles the program and puts it into the guest, where it stays until that reboots. */
  static async install(
    scope: { after(hook: () => void): void },
    inGuest: InGuest,
  ): Promise<DirectIo> {
    const program = path.join(temporaryDirectory(scope), 'direct-io');
    const source = path.join(projectRoot(), 'test/support/guest-io/direct-io.c');
    await run('gcc', [...OPTIONS, '-o', program, source]);
    const text = fs.readFileSync(program).toString('base64');
    await inGuest(`echo ${text} | base64 -d >/run/direct-io && chmod 755 /run/direct-io`);
    return new DirectIo(inGuest);
  }

  /** Returns before its first request. @param depth how many requests are under way at all times */
  async begin(kind: IoKind, depth: number): Promise<void> {
    const command = `/run/direct-io ${kind} /dev/vda ${BEGIN[kind] * 2 ** 20} ${depth}`;
    const told = `/run/direct-io.${kind}`;
    await this.#inGuest(
      `echo running >${told}; (${command}; echo "ended with $?" >${told}) </dev/null >/dev/null 2>&1 &`,
    );
  }

  /** For each load since the last end: `running`, or `ended with` the number of its error. */
  async states(): Promise<string> {
    return (await this.#inGuest('grep "" /dev/null /run/direct-io.*')).trimEnd();
  }

  /** @throws StuckLoadError with what is known of a load that does not end, as one whose requests are never answered. */
  async end(): Promise<void> {
    const ended = '! grep -qs running /run/direct-io.*';
    const wait = `for i in $(seq 300); do killall -q -9 direct-io; ${ended} && break; sleep 0.2; done`;
    const why = `for p in $(pidof direct-io); do grep State /proc/$p/status; cat /proc/$p/stack; done
cat /run/direct-io.* /sys/block/vda/inflight /proc/uptime`;
    const said = await this.#inGuest(`${wait}; ${ended} && rm -f /run/direct-io.* || { ${why}; }`);
    if (said !== '') throw new StuckLoadError(`a load does not end:\n${said}`);
  }
}

const OPTIONS = [
  ...['-Os', '-Wall', '-Wextra', '-Werror', '-s', '-static', '-no-pie', '-fno-pie'],
  ...['-nostdlib', '-fno-builtin', '-fno-stack-protector', '-fno-asynchronous-unwind-tables'],
  ...['-Wl,--build-id=none', '-Wl,-z,noseparate-code'],
];
