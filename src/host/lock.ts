import * as fs from 'node:fs';
import * as path from 'node:path';
import { BusyError, errnoOf, ProvisionerError } from '../errors.ts';
import { readFileIfExists } from './files.ts';
import { inFirstPidNamespace } from './process.ts';
import { poll } from './time.ts';

export interface Lock {
  release(): void;
  /** Releases it and removes its file: for a lock whose object is gone. */
  remove(): void;
}

export interface LockOptions {
  /** What is locked, for the message: "VM web1". */
  what: string;
  /** Who locks, for the message the next one gets: "create". */
  holder: string;
  /** Milliseconds to wait for another holder; 0 gives up at once. */
  waitMs: number;
  /** Ends the waiting. */
  signal?: AbortSignal | undefined;
}

/**
 * Takes an exclusive flock(2) on `file`, which is made when missing.
 *
 * Node has no flock. The util-linux program takes it on a file description it inherits from us, and
 * the lock lives as long as any copy of that description: ours, since the helper ends at once. So the
 * kernel releases it when this process ends, however it ends, and a stale lock cannot exist.
 *
 * @throws BusyError when the lock is not free in time; the message names the holder.
 */
export async function lockFile(file: string, options: LockOptions): Promise<Lock> {
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
  for (;;) {
    const fd = fs.openSync(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      if (!(await flock(fd, options))) throw await busy(file, options);
      // While we waited its holder may have removed the file: the lock on it then protects nothing.
      if (isStill(file, fd)) return held(file, fd, options.holder);
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
    fs.closeSync(fd);
  }
}

/** Whether nobody holds the lock, found out by sharing it for a moment; so it seems to those who may not read it. */
export async function canTake(file: string): Promise<boolean> {
  let fd: number;
  try {
    fd = fs.openSync(file, O_RDONLY | O_NOFOLLOW);
  } catch (error) {
    if (['ENOENT', 'EACCES'].includes(errnoOf(error) ?? '')) return true;
    throw error;
  }
  try {
    return await flock(fd, { waitMs: 0 }, '--shared');
  } finally {
    fs.closeSync(fd);
  }
}

const { O_RDONLY, O_RDWR, O_CREAT, O_NOFOLLOW } = fs.constants;

function held(file: string, fd: number, holder: string): Lock {
  try {
    fs.ftruncateSync(fd, 0);
    fs.writeSync(fd, `${holder} (pid ${process.pid})\n`, 0);
  } catch {
    // On a full disk the next one is not told who holds it; the lock itself needs no room.
  }
  let open = true;
  const end = (last: () => void): void => {
    if (!open) return;
    open = false;
    last();
    fs.closeSync(fd);
  };
  return {
    release: () => end(() => fs.ftruncateSync(fd, 0)),
    remove: () => end(() => fs.rmSync(file, { force: true })),
  };
}

function isStill(file: string, fd: number): boolean {
  const now = fs.lstatSync(file, { throwIfNoEntry: false });
  return now !== undefined && now.ino === fs.fstatSync(fd).ino;
}

/** Milliseconds for flock(1) itself to start and to end. */
const LATE_MS = 5000;

/** flock(1) exits with this code when the lock is taken (its option -E). */
const CONFLICT = 75;

/** Where locks are looked at by sharing them (`canTake`), one that is looked at is not busy. */
const LOOKED_AT_MS = 200;

async function flock(
  fd: number,
  { waitMs, signal }: Pick<LockOptions, 'waitMs' | 'signal'>,
  kind = '--exclusive',
): Promise<boolean> {
  // Loading it takes milliseconds, and most who import this only read.
  const { spawn } = await import('node:child_process');
  signal?.throwIfAborted();
  const leastMs = kind === '--shared' || inFirstPidNamespace() ? 0 : LOOKED_AT_MS;
  const seconds = Math.max(waitMs, leastMs) / 1000;
  const wait = seconds === 0 ? ['--nonblock'] : ['--timeout', seconds.toFixed(3)];
  return await new Promise<boolean>((resolve, reject) => {
    const child = spawn('flock', [kind, '-E', String(CONFLICT), ...wait, '3'], {
      stdio: ['ignore', 'ignore', 'ignore', fd],
    });
    // It ends by its own time; nobody waits for one that does not.
    const late = setTimeout(() => child.kill('SIGKILL'), waitMs + LATE_MS);
    child.once('error', (cause) => {
      clearTimeout(late);
      reject(new ProvisionerError('flock cannot be run', { hint: 'install util-linux', cause }));
    });
    const abort = (): boolean => child.kill();
    signal?.addEventListener('abort', abort, { once: true });
    child.once('exit', (code, by) => {
      clearTimeout(late);
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted === true) reject(signal.reason);
      else if (code === 0) resolve(true);
      else if (code === CONFLICT) resolve(false);
      else reject(new ProvisionerError(`flock failed (${by ?? `exit code ${code}`})`));
    });
  });
}

/** Who has just taken the lock writes its name a moment later. */
const NAMED_MS = 300;

async function busy(file: string, options: LockOptions): Promise<BusyError> {
  // Who can take the lock can also write to its file: only what a holder of ours writes is repeated.
  const named = (): string | undefined =>
    /^[\w .()-]{1,100}$/.exec((readFileIfExists(file) ?? '').trim())?.[0];
  const holder = await poll(named, { deadlineMs: NAMED_MS, everyMs: 10 });
  return new BusyError(`${options.what} is in use by ${holder ?? 'another command'}`, {
    hint: 'wait until it has finished and try again',
  });
}
