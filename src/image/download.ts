import * as fs from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { messageOf, ProvisionerError } from '../errors.ts';
import { MiB, type Report } from '../types.ts';

export interface DownloadOptions {
  /** Called before the first byte with how many the server says there are, if it does; throws to end it. */
  onSize(bytes: number): void;
  report: Report;
  signal?: AbortSignal | undefined;
}

/** Fetches `url` into a new file, reporting every tenth part. */
export async function download(
  url: string,
  file: string,
  { onSize, report, signal }: DownloadOptions,
): Promise<void> {
  try {
    const response = await fetch(url, signal === undefined ? {} : { signal });
    if (!response.ok || response.body === null)
      throw new ProvisionerError(`the server answered ${response.status} ${response.statusText}`);
    const total = Number(response.headers.get('content-length') ?? 0);
    onSize(total);
    report(`downloading ${url}${total === 0 ? '' : ` (${Math.round(total / MiB)} MB)`}`);
    await pipeline(
      Readable.fromWeb(response.body as ReadableStream),
      progress(total, report),
      fs.createWriteStream(file, { flags: 'wx', mode: 0o600 }),
      ...(signal === undefined ? [] : [{ signal }]),
    );
  } catch (error) {
    signal?.throwIfAborted();
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new ProvisionerError(`${url} cannot be downloaded: ${messageOf(cause)}`, {
      cause: error,
    });
  }
}

function progress(total: number, report: Report): Transform {
  let received = 0;
  let tenths = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      const now = total === 0 ? 0 : Math.floor((10 * received) / total);
      if (now > tenths && now < 10) report(`downloaded ${now * 10} %`);
      tenths = now;
      done(null, chunk);
    },
  });
}
