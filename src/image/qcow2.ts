import * as fs from 'node:fs';
import * as path from 'node:path';
import * as z from 'zod/mini';
import { errnoOf, InputError, NotFoundError, ProvisionerError } from '../errors.ts';
import { ExecError, type RunOptions, type RunResult, run } from '../host/exec.ts';
import { syncDirectory, syncFile } from '../host/files.ts';
import { describeMismatch } from '../host/mismatch.ts';
import { temporaryBeside } from '../host/temporary-files.ts';
import { GiB } from '../types.ts';

export interface ImageInfo {
  format: string;
  /** Size of the disk the guest sees, in bytes. */
  virtualSize: number;
  /** Bytes taken on the host; holes do not count. */
  actualSize: number;
  /** As written in the image's header: a path nobody has checked. */
  backingFile: string | undefined;
  /** qcow2's external data file, as written in the header. */
  dataFile: string | undefined;
  encrypted: boolean;
}

export interface InfoOptions {
  /** Without it qemu-img guesses the format from the content: only for files of ours. */
  format?: string;
  /** The image may be in use by a running QEMU. */
  live?: boolean;
  signal?: AbortSignal | undefined;
}

const QemuImgInfo = z.object({
  format: z.string(),
  'virtual-size': z.number(),
  'actual-size': z.optional(z.number()),
  'backing-filename': z.optional(z.string()),
  encrypted: z.optional(z.boolean()),
  'format-specific': z.optional(
    z.object({ data: z.optional(z.looseObject({ 'data-file': z.optional(z.string()) })) }),
  ),
});

/** What `qemu-img info` says about an image. */
export async function imageInfo(file: string, options: InfoOptions = {}): Promise<ImageInfo> {
  mustBeAbsolute(file);
  const format = options.format === undefined ? [] : ['-f', options.format];
  const live = options.live === true ? ['-U'] : [];
  const { stdout } = await qemuImg(['info', '--output=json', ...live, ...format, file], {
    signal: options.signal,
  });
  const reply = parseJson(stdout);
  const result = z.safeParse(QemuImgInfo, reply);
  if (!result.success) {
    throw new ProvisionerError(
      `qemu-img info gave an unexpected reply about ${file}: ${describeMismatch(result.error, reply)}`,
    );
  }
  const info = result.data;
  return {
    format: info.format,
    virtualSize: info['virtual-size'],
    actualSize: info['actual-size'] ?? 0,
    backingFile: info['backing-filename'],
    dataFile: info['format-specific']?.data?.['data-file'],
    encrypted: info.encrypted ?? false,
  };
}

export interface OverlayOptions {
  backing: string;
  backingFormat: 'qcow2' | 'raw';
  file: string;
  sizeBytes: number;
  owner?: { uid: number; gid: number } | undefined;
  signal?: AbortSignal | undefined;
}

/** A qcow2 disk that begins as `backing` and never writes to it. Mode 0600; an existing file is never replaced. */
export async function createOverlay(options: OverlayOptions): Promise<void> {
  const { backing, backingFormat, file, sizeBytes, signal } = options;
  mustBeAbsolute(backing);
  mustBeAbsolute(file);
  const { virtualSize } = await imageInfo(backing, { format: backingFormat, live: true, signal });
  if (sizeBytes < virtualSize) {
    throw new InputError(
      `a disk of ${inGigabytes(sizeBytes)} is smaller than its template (${inGigabytes(virtualSize)})`,
      { hint: `ask for at least ${Math.ceil(virtualSize / GiB)} GB` },
    );
  }
  reserve(file);
  try {
    await qemuImg(
      ['create', '-q', '-f', 'qcow2', '-F', backingFormat, '-b', backing, file, String(sizeBytes)],
      { signal },
    );
    if (options.owner !== undefined) fs.chownSync(file, options.owner.uid, options.owner.gid);
  } catch (error) {
    fs.rmSync(file, { force: true });
    throw error;
  }
}

/** An empty qcow2 disk that stands alone. Mode 0600; an existing file is never replaced. */
export async function createEmpty(options: {
  file: string;
  sizeBytes: number;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const { file, sizeBytes, signal } = options;
  mustBeAbsolute(file);
  reserve(file);
  await qemuImg(['create', '-q', '-f', 'qcow2', file, String(sizeBytes)], { signal });
}

export interface ConvertOptions {
  from: string;
  /** Given, never guessed: a raw image whose first bytes are a qcow2 header would name any file of the host. */
  fromFormat: string;
  to: string;
  signal?: AbortSignal | undefined;
}

/** Formats whose header may name a file that lies below. */
const LAYERED = new Set(['qcow2', 'vmdk']);

/**
 * A stand-alone qcow2 with the content of `from`, whatever backing file its header names. It has its name when it is
 * on the disk. Mode 0600.
 */
export async function convertToQcow2(options: ConvertOptions): Promise<void> {
  const { from, fromFormat, to, signal } = options;
  mustBeAbsolute(from);
  mustBeAbsolute(to);
  const source = {
    driver: fromFormat,
    ...(LAYERED.has(fromFormat) ? { backing: null } : {}),
    file: { driver: 'file', filename: from, locking: 'off' },
  };
  const temporary = temporaryBeside(to);
  reserve(temporary);
  try {
    const input = `json:${JSON.stringify(source)}`;
    await qemuImg(['convert', '-q', '-O', 'qcow2', input, temporary], { signal, timeoutMs: 0 });
    syncFile(temporary);
    fs.renameSync(temporary, to);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(path.dirname(to));
}

async function qemuImg(args: string[], options: RunOptions): Promise<RunResult> {
  try {
    return await run('qemu-img', args, options);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    if (error.missing) {
      throw new NotFoundError('qemu-img is not installed', {
        hint: 'install qemu-utils',
        cause: error,
      });
    }
    throw error;
  }
}

/** qemu-img keeps the mode of a file that is there already; made beforehand it is private from the start. */
function reserve(file: string): void {
  try {
    fs.closeSync(fs.openSync(file, 'wx', 0o600));
    fs.chmodSync(file, 0o600);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    throw new ProvisionerError(`${file} exists already`, { cause: error });
  }
}

/** qemu-img reads `nbd:…`, `json:…` or `-x` as something other than a file; a leading slash rules all of that out. */
function mustBeAbsolute(file: string): void {
  if (!path.isAbsolute(file)) throw new InputError(`${file} is not an absolute path`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function inGigabytes(bytes: number): string {
  const rounded = Math.round((bytes / GiB) * 10) / 10;
  return rounded === 0 && bytes > 0 ? `${bytes} bytes` : `${rounded} GB`;
}
