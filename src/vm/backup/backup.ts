import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import { BusyError, messageOf, ProvisionerError } from '../../errors.ts';
import { lockFile } from '../../host/lock.ts';
import type { VmFiles } from '../../host/paths.ts';
import type { Sink } from '../../host/sink.ts';
import { BackupWriter } from '../../image/backup/writer.ts';
import { withQmp } from '../../qmp/with-qmp.ts';
import { readVmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { disksOf, type VmDisk } from '../disk-chains.ts';
import { processesOf } from '../end-qemu.ts';
import { thawGuest } from '../freeze.ts';
import type { Host } from '../host.ts';
import { withVmLock } from '../lock.ts';
import { assertOwnHost } from '../own-host.ts';
import { recover } from '../recover.ts';
import { addBitmap, type Bitmap, bitmapName, restingBitmaps } from './bitmaps.ts';
import { copyDisks } from './copy.ts';
import { type Fleece, fleecesOf, makeFleeces } from './fleece.ts';
import { liveBitmaps } from './live-bitmaps.ts';
import { beginJobs, finishJobs, MONITOR } from './live-jobs.ts';
import { writeNote } from './note.ts';
import { type Plan, planOf } from './plan.ts';
import { writeBackups } from './record.ts';
import { settle } from './settle.ts';

export interface BackupOptions {
  /** Only what was written since the last backup. */
  incremental: boolean;
  /** Bytes per second at which the disks of a running VM are copied; 0 means no limit. */
  speed: number;
}

export interface BackupResult {
  id: string;
  parent: string | null;
  sequence: number;
  disks: number;
  /** Bytes of disk content. */
  bytes: number;
  quiesced: boolean | null;
}

/** What the steps of a backup hand to each other. */
interface Job {
  host: Host;
  name: VmName;
  files: VmFiles;
  disks: readonly VmDisk[];
  plan: Plan;
  writer: BackupWriter;
  sink: Sink;
  /** Of a VM that runs. */
  fleeces: readonly Fleece[];
}

/**
 * Writes what the disks of a VM hold at one moment, all of them or what was written since the last backup. One that
 * runs goes on. When it fails the VM is as before and the chain stays where it was.
 */
export async function backupVm(
  host: Host,
  name: VmName,
  sink: Sink,
  options: BackupOptions,
): Promise<BackupResult> {
  assertOwnHost(host, 'backup');
  const lock = await lockFile(host.paths.backupLock(name), {
    what: `VM ${name}`,
    holder: `backup of ${name}`,
    waitMs: 0,
    signal: host.signal,
  });
  try {
    return await backUp(host, name, sink, options);
  } finally {
    sink.discard();
    lock.remove();
  }
}

async function backUp(
  host: Host,
  name: VmName,
  sink: Sink,
  options: BackupOptions,
): Promise<BackupResult> {
  const job = await withVmLock(host, name, 'backup', () => begin(host, name, sink, options));
  if (job.fleeces.length > 0) {
    try {
      await finishJobs(host, job.files, job.fleeces);
      await writeDisks(job, sourcesOf(job.fleeces));
      await sink.commit();
    } catch (error) {
      await afterwards(host, name, () => tidyUp(host, name));
      throw error;
    }
    if (!(await afterwards(host, name, () => advanceChain(job)))) throw notFollowed(name);
  }
  const { header } = job.plan;
  return {
    ...{ id: header.id, parent: header.parent, sequence: header.sequence },
    ...{ disks: job.disks.length, bytes: job.writer.dataBytes, quiesced: header.quiesced },
  };
}

/** A stop takes most of a minute; who has interrupted the backup waits less. */
const TURN_MS = 120_000;
const INTERRUPTED_TURN_MS = 20_000;

function notFollowed(name: VmName): ProvisionerError {
  return new ProvisionerError(
    `VM ${name}: the backup is written, but the VM was busy with other verbs: no increment will follow it`,
    { hint: 'make another backup; the next increment follows the one before this' },
  );
}

/**
 * Also when whoever asked for the backup has interrupted it; who does so only now does not wait for the turn.
 * @returns false when the VM was busy all the time.
 */
async function afterwards(host: Host, name: VmName, work: () => Promise<void>): Promise<boolean> {
  const interrupted = host.signal.aborted;
  const calm = { ...host, signal: new AbortController().signal };
  const wait = interrupted ? INTERRUPTED_TURN_MS : TURN_MS;
  let begun = false;
  const turn = (): Promise<void> => {
    begun = true;
    return work();
  };
  try {
    await withVmLock(interrupted ? calm : host, name, 'backup', turn, wait);
    return true;
  } catch (error) {
    if (begun || !(error instanceof BusyError || host.signal.aborted)) throw error;
    host.report(`VM ${name}: what its backup needed is still there: ${messageOf(error)}`);
    return false;
  }
}

/** @returns what is left to do for a VM that runs; one that is off is backed up. */
async function begin(
  host: Host,
  name: VmName,
  sink: Sink,
  { incremental, speed }: BackupOptions,
): Promise<Job> {
  await recover(host, name);
  const files = host.paths.vm(name);
  const config = readVmConfig(name, files);
  const running = processesOf(files).length > 0;
  // One that was killed before may have left the guest frozen, and this one's lock hides it from `recover`.
  if (running && fs.existsSync(files.fleece)) await thawGuest(host, name);
  await settle(host, name);
  const disks = disksOf(host, files, config);
  const bitmaps = await bitmapsOf(files, disks, running);
  const plan = planOf({ config, files, bitmaps, incremental, id: randomUUID() });
  const fleeces = running ? fleecesOf(files, disks) : [];
  const job = { host, name, files, disks, plan, sink, fleeces, writer: new BackupWriter(sink) };
  try {
    writeNote(files, { part: sink.part, running });
    sink.open();
    if (running) await beginLive(job, bitmaps, speed);
    else await copyOff(job);
  } catch (error) {
    await tidyUp(host, name);
    throw error;
  }
  return job;
}

function bitmapsOf(
  files: VmFiles,
  disks: readonly VmDisk[],
  running: boolean,
): Promise<Bitmap[][]> {
  return running
    ? withQmp(files.qmp, (qmp) => liveBitmaps(qmp, disks), MONITOR)
    : restingBitmaps(disks);
}

async function beginLive(
  { host, name, files, fleeces, plan }: Job,
  bitmaps: readonly (readonly Bitmap[])[],
  speed: number,
): Promise<void> {
  const { since, header } = plan;
  const bytes = header.disks.map((disk) => disk.bytes);
  await makeFleeces(host, files, fleeces, { bytes, bitmaps, since });
  const next = bitmapName(header.id);
  header.quiesced = await beginJobs(host, name, fleeces, { next, since, speed });
}

async function copyOff(job: Job): Promise<void> {
  await writeDisks(job, job.disks);
  for (const disk of job.disks) await addBitmap(disk, bitmapName(job.plan.header.id));
  await job.sink.commit();
  await advanceChain(job);
}

async function writeDisks(
  { host, name, plan, writer }: Job,
  sources: readonly Pick<VmDisk, 'node' | 'chain'>[],
): Promise<void> {
  await writer.begin(plan.header);
  await copyDisks(host, name, writer, sources, plan);
  await writer.end();
}

function sourcesOf(fleeces: readonly Fleece[]): Pick<VmDisk, 'node' | 'chain'>[] {
  return fleeces.map(({ disk: { node }, chain }) => ({ node, chain }));
}

/** The backup has its name: the chain goes on from it. */
async function advanceChain({ host, name, files, plan }: Job): Promise<void> {
  if (!fs.existsSync(files.directory)) return;
  const { id, chain, sequence, created_at } = plan.header;
  const { superseded } = plan;
  const last = { id, chain, sequence, created_at };
  writeBackups(files, { version: 1, last, ...(superseded === undefined ? {} : { superseded }) });
  await tidyUp(host, name);
}

/** What cannot be tidied up now is left to the next verb: it says nothing about the backup. */
async function tidyUp(host: Host, name: VmName): Promise<void> {
  try {
    await settle(host, name);
  } catch (error) {
    host.report(`VM ${name}: what its backup needed is still there: ${messageOf(error)}`);
  }
}
