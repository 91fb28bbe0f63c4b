import * as z from 'zod/mini';
import { type DiskChain, imageName, qemuImg } from './snapshots.ts';

/** What counts of `qemu-img check`; a number that is zero is left out. */
const Check = z.object({
  'check-errors': z.number(),
  corruptions: z.optional(z.number()),
  leaks: z.optional(z.number()),
});

/** Exit codes: nothing found; corruptions; leaks only (qemu-img(1)). */
const FOUND = [0, 2, 3];
/** The tables that are read have 1/8192 of the disk's size. */
const CHECK_MS = 10 * 60_000;

/**
 * Gives back clusters that a change has taken and a power cut has left without anything that refers to them. Only of an
 * image that has no other damage: where references are lost, what looks leaked may be all that is left of some data.
 * The image must not be open anywhere; layers below it are not touched.
 * @returns how many clusters.
 */
export async function reclaimLeaks(chain: DiskChain, signal?: AbortSignal): Promise<number> {
  const options = { signal, timeoutMs: CHECK_MS };
  const check = async (...repair: string[]): Promise<z.infer<typeof Check>> => {
    const argv = ['check', '--output=json', ...repair, imageName(chain)];
    const { stdout } = await qemuImg(chain, argv, { ...options, okCodes: FOUND });
    return z.parse(Check, JSON.parse(stdout));
  };
  const { leaks = 0, corruptions = 0, 'check-errors': errors } = await check();
  if (leaks === 0 || corruptions > 0 || errors > 0) return 0;
  const after = await check('-r', 'leaks');
  return leaks - (after.leaks ?? 0);
}
