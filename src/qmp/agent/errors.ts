import { QmpError, type RefusalFacts } from '../errors.ts';

/** Root of everything that goes wrong with the guest agent; the VM itself may be well. */
export class AgentError extends QmpError {}

/** The agent's socket is not there or was closed: QEMU is gone. */
export class AgentGoneError extends AgentError {}

/** The agent, which may be absent, busy or malicious, did not answer by the deadline. */
export class AgentTimeoutError extends AgentError {}

/** The guest sent something that cannot be used. */
export class AgentProtocolError extends AgentError {}

/** The agent refused the command. */
export class AgentCommandError extends AgentError {
  declare readonly command: string;
  readonly class: string;
  readonly desc: string;

  constructor(message: string, facts: RefusalFacts) {
    super(message, facts);
    this.class = facts.class;
    this.desc = facts.desc;
  }
}
