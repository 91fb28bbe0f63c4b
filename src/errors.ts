/** What went wrong, in words for the person at the terminal. Root of every error this program raises on purpose. */
export class ProvisionerError extends Error {
  /** What to do about it; printed after the message, on the same line. */
  readonly hint: string | undefined;
  /** The long story (a command's stderr, a QMP exchange); printed with --verbose only. */
  readonly detail: string | undefined;

  constructor(message: string, options: ErrorDetails = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.hint = options.hint;
    this.detail = options.detail;
  }
}

export interface ErrorDetails {
  hint?: string | undefined;
  detail?: string | undefined;
  cause?: unknown;
}

/** Bad input: an argument, an option or a file the caller handed over. Nothing was touched. */
export class InputError extends ProvisionerError {}

/** The VM, template or file asked for is not there. */
export class NotFoundError extends ProvisionerError {}

/** Somebody else holds what is needed: a lock, a name, a socket. */
export class BusyError extends ProvisionerError {}

/** The other side of a request was lost: nobody knows whether it was carried out. */
export class LostError extends ProvisionerError {}

/** The other side of all requests has ended: nobody answers the next one either. */
export class RootEndedError extends LostError {}

/** Whether a request may be made once more that can do no harm twice. */
export function mayAskAgain(error: unknown): boolean {
  return error instanceof LostError && !(error instanceof RootEndedError);
}

/** The message of anything thrown, for embedding in another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The errno name (`ENOENT`, …) of a Node system error, else undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string')
    return error.code;
  return undefined;
}
