import * as fs from 'node:fs';
import * as path from 'node:path';
import { errnoOf, ProvisionerError } from '../errors.ts';
import { temporaryBeside } from './temporary-files.ts';

export interface WriteOptions {
  /** File mode, set before the content is written. Default 0600. */
  mode?: number;
  owner?: { uid: number; gid: number };
  /** Whether it has to survive a power cut. Default true. */
  sync?: boolean;
}

/**
 * Replaces a file so that a reader, or a power cut, sees the old content or the new, never a part:
 * temporary file beside it, fsync, rename, fsync of the directory.
 */
export function writeFileAtomic(
  file: string,
  content: string | Uint8Array,
  options: WriteOptions = {},
): void {
  const temporary = temporaryBeside(file);
  const fd = fs.openSync(temporary, 'wx', options.mode ?? 0o600);
  try {
    try {
      fs.fchmodSync(fd, options.mode ?? 0o600);
      if (options.owner !== undefined) fs.fchownSync(fd, options.owner.uid, options.owner.gid);
      fs.writeFileSync(fd, content);
      if (options.sync !== false) fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  if (options.sync !== false) syncDirectory(path.dirname(file));
}

/** What another process has written survives a power cut from then on. */
export function syncFile(file: string): void {
  const fd = fs.openSync(file, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

export function syncDirectory(directory: string): void {
  const fd = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** The content, or undefined when there is no such file. Other failures are thrown. */
export function readFileIfExists(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/**
 * The parsed JSON of a file, or undefined when there is no such file.
 * @throws ProvisionerError naming the file when it is not JSON.
 */
export function readJsonIfExists(file: string): unknown {
  const text = readFileIfExists(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ProvisionerError(`${file} is damaged: it is not valid JSON`, {
      hint: 'restore it from a backup, or move it away',
      cause: error,
    });
  }
}

/**
 * Makes a directory unless it is there already. Parents that are missing can be passed by everybody; the mode is
 * that of the last one.
 */
export function ensureDirectory(
  directory: string,
  mode = 0o755,
  owner?: { uid: number; gid: number },
): void {
  fs.mkdirSync(path.dirname(directory), { recursive: true, mode: 0o755 });
  if (fs.mkdirSync(directory, { recursive: true, mode }) !== undefined)
    fs.chmodSync(directory, mode);
  if (owner !== undefined) fs.chownSync(directory, owner.uid, owner.gid);
}
