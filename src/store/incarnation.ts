import * as fs from 'node:fs';
import * as path from 'node:path';
import * as z from 'zod/mini';
import { errnoOf, ProvisionerError } from '../errors.ts';
import { writeFileAtomic } from '../host/files.ts';
import { commandLineOf, findProcesses } from '../host/find-processes.ts';
import type { VmFiles } from '../host/paths.ts';
import { bootId, isRunning, type ProcessIdentity, pidNamespace } from '../host/process.ts';
import { readValidated } from '../host/validate.ts';

/** run.json: one run of a VM, from QEMU's start to its end. */
export const Incarnation = z.strictObject({
  pid: z.int().check(z.gte(2)),
  startTime: z.int(),
  bootId: z.string(),
  /** Where the pid holds (`pidNamespace`); notes of earlier versions do not say. */
  pidNamespace: z.optional(z.string()),
  runner: z.enum(['direct', 'systemd']),
  accel: z.enum(['kvm', 'tcg']),
  /** ISO 8601. */
  started_at: z.string(),
});
export type Incarnation = z.infer<typeof Incarnation> & ProcessIdentity;

export function writeIncarnation(files: VmFiles, incarnation: Incarnation): void {
  writeFileAtomic(files.process, `${JSON.stringify(incarnation)}\n`, { mode: 0o644 });
}

/** A run that goes on, in a process namespace of which nothing is seen here. */
export class ElsewhereError extends ProvisionerError {}

/**
 * The run that is going on now, or undefined when QEMU is not running.
 * @throws ElsewhereError when it goes on where its process cannot be seen.
 */
export function runningIncarnation(files: VmFiles): Incarnation | undefined {
  const incarnation = readValidated(files.process, Incarnation);
  if (incarnation === undefined || !goesOn(files, incarnation)) return undefined;
  if (isSeenHere(incarnation)) return incarnation;
  throw new ElsewhereError(
    `VM ${path.basename(files.directory)} was started in another process namespace, and may run there`,
    { hint: 'run the command there: on the host, or in the container that started it' },
  );
}

/** Whether a run goes on, as far as can be told: where its process is not seen, by who reads what its console says. */
export function goesOn(files: VmFiles, run: Incarnation): boolean {
  return isSeenHere(run) ? isRunning(run) : run.bootId === bootId() && hasReader(files.consoleFifo);
}

export function isSeenHere({ pidNamespace: other }: Incarnation): boolean {
  return other === undefined || other === pidNamespace();
}

/** The logger of a console reads for as long as QEMU can write; the FIFO goes when QEMU is proved gone. */
function hasReader(fifo: string): boolean {
  const { O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = fs.constants;
  try {
    // fifo(7): for writing alone it opens only when somebody reads.
    fs.closeSync(fs.openSync(fifo, O_WRONLY | O_NONBLOCK | O_NOFOLLOW));
    return true;
  } catch (error) {
    return !['ENXIO', 'ENOENT'].includes(errnoOf(error) ?? '');
  }
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
  const isWanted = (argv: readonly string[]): boolean => {
    const at = argv.indexOf('-pidfile');
    return at !== -1 && argv[at + 1] === files.pid;
  };
  const owners = ownersOf(files);
  if (owners !== undefined) return findProcesses(owners, isWanted);
  // Elsewhere the same path is another VM's.
  return findProcesses(ANYBODY, isWanted).filter(({ pid }) => isNear(pid));
}

const ANYBODY = { has: () => true };

function isNear(pid: number): boolean {
  try {
    return fs.readlinkSync(`/proc/${pid}/ns/pid`) === pidNamespace();
  } catch {
    return false;
  }
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

/** Our own user and QEMU's; undefined for root when no file of the VM is left that tells whose it is. */
function ownersOf(files: VmFiles): Set<number> | undefined {
  const own = process.getuid?.();
  const stats = [files.run, files.disk].map((file) => fs.statSync(file, { throwIfNoEntry: false }));
  const owners = stats.map((stat) => stat?.uid).filter((uid) => uid !== undefined);
  if (own === undefined) return new Set(owners);
  return own === 0 && owners.length === 0 ? undefined : new Set([own, ...owners]);
}
