import * as path from 'node:path';
import * as z from 'zod/mini';
import { InputError } from '../../errors.ts';
import { quote } from '../../types.ts';
import { readFileIfExists } from '../files.ts';

const Manifest = z.object({ constraints: z.object({ address_pattern: z.string() }) });

/**
 * The wallet has to be one of the engine's (contract §2.1). An engine that says nothing readable about it
 * takes any that is not empty.
 * @throws InputError
 */
export function assertWallet(share: string, wallet: string): void {
  if (wallet === '') {
    throw new InputError('a VM of BlockHost needs the wallet of its owner', {
      hint: 'give it with --owner-wallet',
    });
  }
  const pattern = patternOf(path.join(share, 'engine.json'));
  if (pattern === undefined || pattern.test(wallet)) return;
  throw new InputError(`${quote(wallet)} is not a valid wallet address for this engine`, {
    hint: `engine.json expects ${pattern.source}`,
  });
}

function patternOf(file: string): RegExp | undefined {
  try {
    const { constraints } = z.parse(Manifest, JSON.parse(readFileIfExists(file) ?? 'null'));
    // The whole address: a pattern without anchors would let anything pass that contains one.
    return new RegExp(`^(?:${constraints.address_pattern})$`);
  } catch {
    return undefined;
  }
}
