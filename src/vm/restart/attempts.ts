import * as fs from 'node:fs';
import * as z from 'zod/mini';
import { ensureDirectory, writeFileAtomic } from '../../host/files.ts';
import type { Paths } from '../../host/paths.ts';
import { readValidated } from '../../host/validate.ts';
import { incarnationKey } from '../../store/incarnation.ts';
import { lastRun } from '../../store/last-run.ts';
import type { VmName } from '../../types.ts';

/** How restarting a VM after a crash stands. One file for each VM, of the verbs' user. */
export const Attempts = z.object({
  /** The run that crashed (incarnationKey). */
  crashed: z.string(),
  /** The run that the last attempt started, or left when it died; what crashes next is counted on if it is this one. */
  started: z.nullable(z.string()),
  /** Attempts since the VM last ran for long, this crash's included. */
  attempts: z.int().check(z.gte(0)),
  /**
   * `waiting`: for `due_at`. `trying`: an attempt is under way, or died. `started`: it succeeded.
   * `failed`: it did not, the next is due. `gave-up`: there is no next.
   */
  state: z.enum(['waiting', 'trying', 'started', 'failed', 'gave-up']),
  /** ISO 8601: when this was written, and when the next attempt is due. */
  at: z.string(),
  due_at: z.nullable(z.string()),
  /** Why the last attempt failed. */
  error: z.nullable(z.string()),
});
export type Attempts = z.infer<typeof Attempts>;

/** Undefined when there is nothing, or nothing that makes sense: then counting begins anew. */
export function readAttempts(paths: Paths, name: VmName): Attempts | undefined {
  try {
    return readValidated(paths.restarts(name), Attempts);
  } catch {
    return undefined;
  }
}

/** Survives a power cut: who counts from the beginning after each crash of the host never gives up. */
export function writeAttempts(paths: Paths, name: VmName, attempts: Attempts): void {
  ensureDirectory(paths.restartsDirectory, 0o700);
  writeFileAtomic(paths.restarts(name), `${JSON.stringify(attempts)}\n`);
}

/**
 * Notes the run that an attempt has begun which died, before anybody ends it: its end is no end of the crash.
 * @param ran whether its guest has run: then the attempt has succeeded.
 * @returns whether there is such an attempt.
 */
export function settleAttempt(paths: Paths, name: VmName, ran: boolean): boolean {
  const known = readAttempts(paths, name);
  if (known?.state !== 'trying') return false;
  const run = lastRun(paths.vm(name))?.run;
  const started = run === undefined ? undefined : incarnationKey(run);
  if (started !== undefined && started !== known.crashed)
    writeAttempts(paths, name, { ...known, started, state: ran ? 'started' : 'trying' });
  return true;
}

export function forgetAttempts(paths: Paths, name: VmName): void {
  fs.rmSync(paths.restarts(name), { force: true });
}
