import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** Hex digest of a file's content, holes included. */
export async function hashFile(
  file: string,
  algorithm: 'sha256' | 'sha512',
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash(algorithm);
  const source = fs.createReadStream(file, { highWaterMark: 1024 * 1024 });
  await pipeline(source, hash, ...(signal === undefined ? [] : [{ signal }]));
  return hash.digest('hex');
}
