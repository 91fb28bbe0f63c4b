import * as fs from 'node:fs';
import * as z from 'zod/mini';
import { errnoOf } from '../errors.ts';
import { writeFileAtomic } from '../host/files.ts';
import type { VmFiles } from '../host/paths.ts';
import { identify, isRunning, type ProcessIdentity } from '../host/process.ts';
import { readValidated } from '../host/validate.ts';

/** run.json: one run of a VM, from QEMU's start to its end. */
export const Incarnation = z.strictObject({
  pid: z.int().check(z.gte(2)),
  startTime: z.int(),
  bootId: z.string(),
  runner: z.enum(['direct', 'systemd']),
  accel: z.enum(['kvm', 'tcg']),
  /** ISO 8601. */
  started_at: z.string(),
});
export type Incarnation = z.infer<typeof Incarnation> & ProcessIdentity;

export function writeIncarnation(files: VmFiles, incarnation: Incarnation): void {
  writeFileAtomic(files.process, `${JSON.stringify(incarnation)}\n`, { mode: 0o644 });
}

/** The run that is going on now, or undefined when QEMU is not running. */
export function runningIncarnation(files: VmFiles): Incarnation | undefined {
  const incarnation = readValidated(files.process, Incarnation);
  return incarnation !== undefined && isRunning(incarnation) ? incarnation : undefined;
}

/** A word that no other run of any VM has. */
export function incarnationKey({ bootId, pid, startTime }: ProcessIdentity): string {
  return `${bootId}/${pid}/${startTime}`;
}

export function forgetIncarnation(files: VmFiles): void {
  fs.rmSync(files.process, { force: true });
}

/**
 * QEMU processes of this VM, found by the pid file on their command line rather than by anything we
 * wrote: a command killed between spawning QEMU and noting it leaves one of which no file tells.
 */
export function findQemuProcesses(files: VmFiles): ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  const owners = ownersOf(files);
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (!owners.has(fs.statSync(`/proc/${entry}`).uid)) continue;
      const argv = fs.readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      const at = argv.indexOf('-pidfile');
      if (at === -1 || argv[at + 1] !== files.pid) continue;
    } catch (error) {
      if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) continue;
      throw error;
    }
    const identity = identify(Number(entry));
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

/** Anybody can write anything on a command line: only processes of ours and of QEMU's user are believed. */
function ownersOf(files: VmFiles): Set<number> {
  const stats = [files.run, files.disk].map((file) => fs.statSync(file, { throwIfNoEntry: false }));
  return new Set(
    [process.getuid?.(), ...stats.map((stat) => stat?.uid)].filter((uid) => uid !== undefined),
  );
}
