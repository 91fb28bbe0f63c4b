import { quote } from '../../types.ts';
import type { QmpError } from '../errors.ts';
import { bounded, type Limits, type Settle } from './bounded.ts';
import { exchangeOf } from './exchange.ts';
import type { Peer } from './peer.ts';

/** A reply as it arrived; what it means is for the caller to say. */
export interface Reply {
  value: unknown;
  /** Request and reply, for the detail of an error about them. */
  exchange: () => string;
}

interface Waiting {
  command: string;
  request: string;
  settle: Settle<Reply>;
}

/** The commands sent and not yet answered, by id. */
export class Calls {
  readonly #peer: Peer;
  readonly #path: string;
  readonly #waiting = new Map<string, Waiting>();

  constructor(peer: Peer, path: string) {
    this.#peer = peer;
    this.#path = path;
  }

  /** Sends a command by `write` and waits for the reply with its id. */
  start(
    call: { id: string; command: string; args: unknown },
    limits: Limits,
    write: (line: string) => void,
  ): Promise<Reply> {
    const { id, command, args } = call;
    const request = JSON.stringify({ execute: command, arguments: args, id });
    const onDeadline = (): QmpError =>
      new this.#peer.Timeout(
        `${this.#peer.name} at ${this.#path} is busy or not answering (no reply to ${command} within ${limits.deadlineMs} ms)`,
        { command, hint: this.#peer.silenceHint, detail: exchangeOf(request, undefined) },
      );
    return bounded(limits, onDeadline, (settle) => {
      this.#waiting.set(id, { command, request, settle });
      write(`${request}\n`);
      return () => this.#waiting.delete(id);
    });
  }

  /** @returns false when nobody waits for this id: the call was aborted, timed out, or never made by us. */
  deliver(id: unknown, body: Record<string, unknown>, line: Buffer): boolean {
    const waiting = typeof id === 'string' ? this.#waiting.get(id) : undefined;
    if (waiting === undefined) return false;
    const { command, request, settle } = waiting;
    // The line's bytes are reused after this call, so what an error may need is copied: its beginning.
    const head = Buffer.from(line.subarray(0, 8192));
    const exchange = (): string => exchangeOf(request, head);
    if ('return' in body) settle.resolve({ value: body.return, exchange });
    else settle.reject(this.#refusal(command, body.error, exchange()));
    return true;
  }

  /** Ends every call, each with an error of its own that carries its exchange. */
  failAll(make: (command: string, detail: string) => QmpError): void {
    for (const { command, request, settle } of [...this.#waiting.values()])
      settle.reject(make(command, exchangeOf(request, undefined)));
  }

  #refusal(command: string, error: unknown, detail: string): QmpError {
    const { class: kind, desc } = (error ?? {}) as { class?: unknown; desc?: unknown };
    if (typeof kind !== 'string' || typeof desc !== 'string')
      return new this.#peer.Protocol(
        `${this.#peer.name} refused ${command} without saying why in the expected form`,
        { command, detail },
      );
    return new this.#peer.Refused(`${this.#peer.name} refused ${command}: ${quote(desc)}`, {
      command,
      class: kind,
      desc,
      detail,
    });
  }
}
