import { type ErrorDetails, ProvisionerError } from '../errors.ts';

export interface QmpErrorFacts extends ErrorDetails {
  /** The command that was being executed. */
  command?: string | undefined;
}

/** Root of everything that goes wrong between this program and QEMU's or the guest agent's socket. */
export class QmpError extends ProvisionerError {
  readonly command: string | undefined;

  constructor(message: string, facts: QmpErrorFacts = {}) {
    super(message, facts);
    this.command = facts.command;
  }
}

/** Nobody is at the other end: no socket, nobody listening, or the connection ended. */
export class QmpGoneError extends QmpError {}

/** Somebody holds the other end and did not answer by the deadline: busy with another client, stopped, or stuck. */
export class QmpTimeoutError extends QmpError {}

/** The peer said something that is not the protocol, or a reply that lacks what was asked for. */
export class QmpProtocolError extends QmpError {}

/** QEMU understood the command and refused it. */
export class QmpCommandError extends QmpError {
  declare readonly command: string;
  readonly class: string;
  readonly desc: string;

  constructor(message: string, facts: RefusalFacts) {
    super(message, facts);
    this.class = facts.class;
    this.desc = facts.desc;
  }
}

export interface RefusalFacts extends QmpErrorFacts {
  command: string;
  class: string;
  desc: string;
}
