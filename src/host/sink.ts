import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { errnoOf, InputError, messageOf, ProvisionerError } from '../errors.ts';
import { quote } from '../types.ts';
import { syncDirectory } from './files.ts';

/** Takes bytes in order; whoever fails half-way discards it. */
export interface Sink {
  /** The file that holds the bytes until `commit`, for those who tidy up after a kill; null: there is none. */
  readonly part: string | null;
  /** Before the first byte. @throws InputError when nothing can be written there. */
  open(): void;
  write(bytes: Uint8Array): Promise<void>;
  /** All of it is there to stay. */
  commit(): Promise<void>;
  discard(): void;
}

/** Whatever the sink waits for ends with the signal. */
export type MakeSink = (signal: AbortSignal) => Sink;

/** A new file that has its name only when it is complete. @throws InputError when the name is taken. */
export function fileSink(file: string, mode = 0o600): Sink & { part: string } {
  const target = path.resolve(file);
  if (fs.existsSync(target)) throw taken(file);
  const part = `${target}.${randomBytes(4).toString('hex')}.part`;
  let fd = -1;
  const close = (): void => {
    if (fd !== -1) fs.closeSync(fd);
    fd = -1;
  };
  return {
    part,
    open() {
      try {
        fd = fs.openSync(part, 'wx', mode);
      } catch (cause) {
        throw new InputError(`${quote(file)} cannot be written: ${messageOf(cause)}`, { cause });
      }
    },
    async write(bytes) {
      for (let at = 0; at < bytes.length; ) at += await writeSome(fd, bytes.subarray(at), file);
    },
    async commit() {
      await attempt(quote(file), () => promised((done) => fs.fsync(fd, done)));
      close();
      await attempt(quote(file), async () => place(part, target, file));
    },
    discard() {
      close();
      fs.rmSync(part, { force: true });
    },
  };
}

/**
 * What reads a stream cannot be asked for more than having taken the bytes.
 * @throws InputError when there is surely nobody: Node opens /dev/null for a stdout that is closed.
 */
export function streamSink(stream: NodeJS.WritableStream, signal: AbortSignal): Sink {
  if (statOf(stream)?.rdev === NULL_DEVICE) {
    throw new InputError('stdout is closed, or is /dev/null: what is written there is lost', {
      hint: 'name a file, or a pipe with a reader',
    });
  }
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => undefined);
  const put = (bytes: Uint8Array): Promise<void> =>
    attempt('stdout', () => promised((done) => stream.write(bytes, done)));
  return {
    part: null,
    open: () => undefined,
    // Who reads may have stopped reading.
    write: (bytes) => Promise.race([put(bytes), aborted]),
    commit: () => attempt('stdout', async () => syncFile(stream)),
    discard: () => undefined,
  };
}

/** Where stdout is a file it is on the disk afterwards; what a pipe leads to is its reader's. */
function syncFile(stream: NodeJS.WritableStream): void {
  if (statOf(stream)?.isFile() === true && 'fd' in stream) fs.fsyncSync(Number(stream.fd));
}

/** Undefined for a pipe or a socket. */
function statOf(stream: NodeJS.WritableStream): fs.Stats | undefined {
  const fd = 'fd' in stream ? stream.fd : undefined;
  return typeof fd === 'number' && fd >= 0 ? fs.fstatSync(fd) : undefined;
}

/** Device 1:3 (null(4)), as gnu_dev_makedev(3) packs it. */
const NULL_DEVICE = 0x103;

/** A name that was taken meanwhile is left alone: link(2) never replaces. */
function place(part: string, target: string, file: string): void {
  try {
    fs.linkSync(part, target);
    fs.rmSync(part);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw taken(file);
    // Some file systems have no second names: then the place is taken first.
    reserve(target, file);
    try {
      fs.renameSync(part, target);
    } catch (failed) {
      fs.rmSync(target, { force: true });
      throw failed;
    }
  }
  syncDirectory(path.dirname(target));
}

function reserve(target: string, file: string): void {
  try {
    fs.closeSync(fs.openSync(target, 'wx', 0o600));
  } catch (error) {
    throw errnoOf(error) === 'EEXIST' ? taken(file) : error;
  }
}

function taken(file: string): InputError {
  return new InputError(`${quote(file)} exists already`, {
    hint: 'choose another name, or remove it',
  });
}

function writeSome(fd: number, bytes: Uint8Array, file: string): Promise<number> {
  return attempt(
    quote(file),
    () =>
      new Promise((resolve, reject) => {
        fs.write(fd, bytes, (error, written) => (error ? reject(error) : resolve(written)));
      }),
  );
}

async function attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof ProvisionerError) throw cause;
    const full = errnoOf(cause) === 'ENOSPC' || errnoOf(cause) === 'EDQUOT';
    throw new ProvisionerError(
      full
        ? `${what} cannot be written: its file system is full`
        : `${what} cannot be written: ${messageOf(cause)}`,
      { hint: full ? 'make room there, or choose another place' : undefined, cause },
    );
  }
}

function promised(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error ? reject(error) : resolve()));
  });
}
