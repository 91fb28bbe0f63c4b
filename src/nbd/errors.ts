import { ProvisionerError } from '../errors.ts';

/** The server refused, answered with what the protocol does not allow, or went away. */
export class NbdError extends ProvisionerError {}
