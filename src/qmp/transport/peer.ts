import type { QmpError, QmpErrorFacts, RefusalFacts } from '../errors.ts';

type Raise<F> = new (message: string, facts: F) => QmpError;

/** Who is at the other end of a socket: what to call them in messages, and the errors they cause. */
export interface Peer {
  /** Begins a sentence and stands inside one: "QEMU", "the guest agent". */
  readonly name: string;
  /** What it means when nobody listens on the socket. */
  readonly absence: string;
  /** What may be the matter when it does not answer. */
  readonly silenceHint: string;
  readonly Gone: Raise<QmpErrorFacts>;
  readonly Timeout: Raise<QmpErrorFacts>;
  readonly Protocol: Raise<QmpErrorFacts>;
  readonly Refused: Raise<RefusalFacts>;
}
