import { QmpCommandError, QmpProtocolError } from '../qmp/errors.ts';

/** What QEMU refuses, or says in an unexpected form, is missing from the sample; silence stays an error. */
export async function orNull<T>(reply: Promise<T>): Promise<T | null> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof QmpCommandError || error instanceof QmpProtocolError) return null;
    throw error;
  }
}
