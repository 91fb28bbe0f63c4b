import type { CreateResult } from '../vm/create.ts';

export const SENTINEL = 'BLOCKHOST_RESULT: ';

/**
 * The whole of create's stdout. Some engines look for the sentinel, others for the last line that begins with a brace
 * (contract §2.1), so each has to find the result, and nothing else that it could take for one.
 */
export function createOutput(result: CreateResult): string {
  const json = JSON.stringify(result);
  return `${SENTINEL}${json}\n${json}`;
}
