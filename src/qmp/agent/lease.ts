import type { CallOptions } from '../transport/bounded.ts';
import type { AgentClient } from './client.ts';

/** Opens the agent anew; called with what is left of the deadline. */
export type AgentOpener = (options: CallOptions) => Promise<AgentClient>;

/** An agent that is open only while it is needed if it was given as an opener, and untouched if given open. */
export class AgentLease {
  readonly #source: AgentClient | AgentOpener;
  #open: AgentClient | undefined;

  constructor(source: AgentClient | AgentOpener) {
    this.#source = source;
  }

  async get(options: CallOptions): Promise<AgentClient> {
    if (typeof this.#source !== 'function') return this.#source;
    this.#open ??= await this.#source(options);
    return this.#open;
  }

  release(): void {
    this.#open?.close();
    this.#open = undefined;
  }
}
