import * as fs from 'node:fs';
import * as path from 'node:path';
import * as z from 'zod/mini';
import { writeFileAtomic } from '../host/files.ts';
import { commandLineOf, findProcesses } from '../host/find-processes.ts';
import type { VmFiles } from '../host/paths.ts';
import { isRunning, type ProcessIdentity } from '../host/process.ts';
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
  return findProcesses(ownersOf(files), (argv) => {
    const at = argv.indexOf('-pidfile');
    return at !== -1 && argv[at + 1] === files.pid;
  });
}

/** QEMU processes of any VM whose runtime files lie below `run`, by the name on their command line. */
export function namesOfQemus(run: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const argv = argvIfThere(entry);
    const at = argv.indexOf('-pidfile');
    const file = at === -1 ? '' : (argv[at + 1] ?? '');
    if (path.dirname(path.dirname(file)) !== run || path.basename(file) !== 'qemu.pid') continue;
    found.set(path.basename(path.dirname(file)), Number(entry));
  }
  return found;
}

function argvIfThere(pid: string): string[] {
  try {
    return commandLineOf(pid);
  } catch {
    return [];
  }
}

/** Our own user and QEMU's. */
function ownersOf(files: VmFiles): Set<number> {
  const stats = [files.run, files.disk].map((file) => fs.statSync(file, { throwIfNoEntry: false }));
  return new Set(
    [process.getuid?.(), ...stats.map((stat) => stat?.uid)].filter((uid) => uid !== undefined),
  );
}
