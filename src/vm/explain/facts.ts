import * as fs from 'node:fs';
import { errnoOf, messageOf } from '../../errors.ts';
import { isLockHeld } from '../../host/lock-held.ts';
import { KERNEL_PANIC, lastLines } from '../../host/log-tail.ts';
import type { VmFiles } from '../../host/paths.ts';
import { readProcessStat } from '../../host/process.ts';
import { withQmp } from '../../qmp/with-qmp.ts';
import { incarnationKey, isSeenHere } from '../../store/incarnation.ts';
import { type LastRun, lastRun } from '../../store/last-run.ts';
import type { VmRecord } from '../../store/record.ts';
import { readVmConfig, type VmConfig } from '../../store/vm-config.ts';
import { readVmEvents, type VmEvent } from '../../store/vm-events.ts';
import type { VmName } from '../../types.ts';
import { isAbandoned } from '../backup/abandoned.ts';
import type { ReadHost } from '../host.ts';
import { type JournalEntry, readJournal } from '../journal.ts';
import { type Observation, observe, observeAnew } from '../observe.ts';
import { type Attempts, readAttempts } from '../restart/attempts.ts';

/** All that the host has to say of one VM. */
export interface Facts {
  name: VmName;
  config: VmConfig;
  record: VmRecord | undefined;
  journal: JournalEntry | undefined;
  /** A backup was killed, and what it needed is still there. */
  backupKilled: boolean;
  /** A verb works on it at this moment. */
  busy: boolean;
  now: Observation;
  /** Letter of /proc/PID/stat (proc_pid_stat(5)): T is stopped, D waits in the kernel. */
  processState: string | undefined;
  /** Disks that QEMU says have failed the guest. */
  failedDisks: string[];
  last: LastRun | undefined;
  everStarted: boolean;
  /** Of the sampler; undefined when none has watched this VM since the host's boot. */
  events: VmEvent[] | undefined;
  /** Those of the run that goes on, or of the last one. */
  runEvents: VmEvent[];
  attempts: Attempts | undefined;
  console: string[];
  qemu: string[];
  /** When the guest's console was last written to, ISO 8601. */
  lastSign: string | null;
}

const LINES = 20;

/** @throws NotFoundError for a VM of which there are no files. */
export async function gatherFacts(host: ReadHost, name: VmName): Promise<Facts> {
  const files = host.paths.vm(name);
  const config = readVmConfig(name, files);
  const first = await observe(host, name);
  const now = first.state === 'unknown' ? await observeAnew(host, name) : first;
  const last = lastRun(files);
  const run = now.incarnation ?? last?.run;
  const key = run === undefined ? undefined : incarnationKey(run);
  const events = readVmEvents(host.paths.events(name), config.uuid);
  return {
    ...{ name, config, now, last, events },
    record: await recordOf(host, name),
    journal: readJournal(host, name),
    backupKilled: await isAbandoned(host, name),
    busy: await isLockHeld(host.paths.lock(name)),
    processState:
      now.state === 'unknown' && run !== undefined && isSeenHere(run)
        ? readProcessStat(run.pid)?.state
        : undefined,
    failedDisks: now.qemuStatus === 'io-error' ? await failedDisks(files) : [],
    everStarted: fs.existsSync(files.consoleLog),
    runEvents: (events ?? []).filter((event) => event.run === key),
    attempts: readAttempts(host.paths, name),
    console: lastLines(files.consoleLog, LINES, KERNEL_PANIC),
    qemu: lastLines(files.qemuLog, LINES),
    lastSign: writtenAt(files.consoleLog),
  };
}

/** Without readable records the files still tell their part. */
async function recordOf(host: ReadHost, name: VmName): Promise<VmRecord | undefined> {
  try {
    return await host.store.get(name);
  } catch (error) {
    if (errnoOf(error) === 'EACCES') throw error;
    host.report(messageOf(error));
    return undefined;
  }
}

const QUERY_MS = 1000;

async function failedDisks(files: VmFiles): Promise<string[]> {
  try {
    const limits = { patienceMs: QUERY_MS };
    const blocks = await withQmp(files.probe, (qmp) => qmp.execute('query-block'), limits);
    return blocks
      .filter((block) => (block['io-status'] ?? 'ok') !== 'ok')
      .map(({ qdev = '', device }) => /peripheral\/([\w-]+)/.exec(qdev)?.[1] ?? device);
  } catch {
    return [];
  }
}

function writtenAt(file: string): string | null {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return stat === undefined || stat.size === 0 ? null : stat.mtime.toISOString();
}
