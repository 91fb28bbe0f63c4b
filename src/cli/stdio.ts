import * as fs from 'node:fs';
import * as path from 'node:path';

/** Bytes that a pipe takes in one piece (pipe(7)). */
const PIPE_BUF = 4096;

let said = false;
let [out, err]: (NodeJS.WriteStream | undefined)[] = [];

/** Standard output. Made when it is first used: a stream takes a millisecond, and not every verb needs both. */
export function stdout(): NodeJS.WriteStream {
  // A reader that went away must not end us half-way. Who did not get the result must not be told of success.
  out ??= process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    // A reader that went away knows.
    if (code !== 'EPIPE' && process.exitCode !== 1) {
      const program = path.basename(process.argv[1] ?? '');
      stderr().write(`${program}: stdout cannot be written: ${message}\n`);
    }
    process.exitCode = 1;
  });
  return out;
}

/** Standard output for who is told of each write whether it failed. */
export function bareStdout(): NodeJS.WriteStream {
  return process.stdout.on('error', () => undefined);
}

export function stderr(): NodeJS.WriteStream {
  err ??= process.stderr.on('error', () => undefined);
  return err;
}

/**
 * Writes to standard output, the first time without a stream: most verbs say one line, and are done sooner so.
 * What does not go that way, or fails, is the stream's to write or to fail with.
 */
export function say(text: string): void {
  const bytes = Buffer.from(text);
  const written = said || out !== undefined ? 0 : writeAtOnce(bytes);
  said = true;
  if (written < bytes.length) stdout().write(bytes.subarray(written));
}

/** @returns how many bytes went */
function writeAtOnce(bytes: Buffer): number {
  // More may wait for a slow reader, and signals with it.
  if (bytes.length > PIPE_BUF) return 0;
  try {
    return fs.writeSync(1, bytes);
  } catch {
    return 0;
  }
}
