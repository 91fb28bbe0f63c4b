import { installing } from '../guest-programs/compile.ts';

/** Runs a shell command in the guest; it fails unless its exit code is 0. */
type InGuest = (command: string) => Promise<string>;

export type IoKind = 'read' | 'write';

/** Where each begins: reads where the image has data, writes where the tiny guest has nothing. In MiB. */
const BEGIN: Record<IoKind, number> = { read: 1, write: 400 };

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
    await inGuest(await installing(scope, 'direct-io'));
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

  /** @throws Error with what is known of a load that does not end, as one whose requests are never answered. */
  async end(): Promise<void> {
    const ended = '! grep -qs running /run/direct-io.*';
    const wait = `for i in $(seq 300); do killall -q -9 direct-io; ${ended} && break; sleep 0.2; done`;
    const why = `for p in $(pidof direct-io); do grep State /proc/$p/status; cat /proc/$p/stack; done
cat /run/direct-io.* /sys/block/vda/inflight /proc/uptime`;
    const said = await this.#inGuest(`${wait}; ${ended} && rm -f /run/direct-io.* || { ${why}; }`);
    if (said !== '') throw new Error(`a load does not end:\n${said}`);
  }
}
