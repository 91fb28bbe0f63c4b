import { InputError, ProvisionerError } from '../errors.ts';
import { quote } from '../types.ts';
import { hashFile } from './hash-file.ts';

export interface Checksum {
  algorithm: 'sha256' | 'sha512';
  /** Lower case. */
  hex: string;
}

/** `sha512:HEX` or `sha256:HEX`. */
export function parseChecksum(text: string): Checksum {
  const [, algorithm, hex] = /^(sha256|sha512):([0-9a-fA-F]+)$/.exec(text) ?? [];
  const length = algorithm === 'sha512' ? 128 : 64;
  if ((algorithm === 'sha256' || algorithm === 'sha512') && hex?.length === length)
    return { algorithm, hex: hex.toLowerCase() };
  throw new InputError(`${quote(text)} is not a checksum`, {
    hint: 'give sha512:HEX or sha256:HEX, as published beside the image',
  });
}

/** @throws ProvisionerError when the file is not what the checksum says. */
export async function verifyChecksum(
  file: string,
  expected: Checksum,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  const found = await hashFile(file, expected.algorithm, signal);
  if (found === expected.hex) return;
  throw new ProvisionerError(
    `${name} is not the image expected: its ${expected.algorithm} is ${found.slice(0, 16)}…, not ${expected.hex.slice(0, 16)}…`,
    { hint: 'download it again, or correct the checksum' },
  );
}
