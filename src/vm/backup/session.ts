import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import * as fs from 'node:fs';
import { InputError, messageOf, ProvisionerError } from '../../errors.ts';
import type { Lock } from '../../host/lock.ts';
import type { VmFiles } from '../../host/paths.ts';
import type { MakeSink, Sink } from '../../host/sink.ts';
import { BackupWriter } from '../../image/backup/writer.ts';
import { withQmp } from '../../qmp/with-qmp.ts';
import { diskSizes, readVmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { disksOf, type VmDisk } from '../disk-chains.ts';
import { processesOf } from '../end-qemu.ts';
import { thawGuest } from '../freeze.ts';
import type { RootContext } from '../host.ts';
import type { BackupSide, BackupState, BeginBackup, EndBackup } from '../root-side.ts';
import { addBitmap, type Bitmap, bitmapName, restingBitmaps } from './bitmaps.ts';
import { copyDisks } from './copy.ts';
import { type Fleece, fleecesOf, makeFleeces } from './fleece.ts';
import { liveBitmaps } from './live-bitmaps.ts';
import { assertNotHalted, beginJobs, finishJobs, MONITOR } from './live-jobs.ts';
import { writeNote } from './note.ts';
import { type Plan, planOf } from './plan.ts';
import { writeBackups } from './record.ts';
import { assertRoomForBitmaps, whileRoomIsLeft } from './room.ts';
import { lockBackup, settle } from './settle.ts';

/** What the steps of a backup hand to each other. */
interface Job {
  name: VmName;
  files: VmFiles;
  disks: readonly VmDisk[];
  plan: Plan;
  writer: BackupWriter;
  sink: Sink;
  lock: Lock;
  /** Of a VM that runs. */
  fleeces: readonly Fleece[];
}

/** One backup on the side that has the disks, from its first step to its last. */
export class BackupSession implements BackupSide {
  readonly #context: RootContext;
  readonly #makeSink: MakeSink | undefined;
  readonly #abort = new AbortController();
  #job: Job | undefined;

  /** @param makeSink from the command line: nobody names a file later. */
  constructor(context: RootContext, makeSink: MakeSink | undefined) {
    const signal = AbortSignal.any([context.signal, this.#abort.signal]);
    // As many wait with it as there are disks.
    setMaxListeners(0, signal);
    this.#context = { ...context, signal };
    this.#makeSink = makeSink;
  }

  /** Whether there is something half-done. */
  get isBusy(): boolean {
    return this.#job !== undefined;
  }

  /** Ends what is under way; what was begun is still to be undone. */
  cancel(): void {
    this.#abort.abort(new ProvisionerError('the backup was interrupted'));
  }

  async begin(request: BeginBackup): Promise<BackupState> {
    const { name } = request;
    if (this.#makeSink === undefined || this.isBusy)
      throw new InputError(`VM ${name}: this command makes no backup`);
    const sink = this.#makeSink(this.#context.signal);
    const lock = await lockBackup(this.#context, name);
    try {
      this.#job = await this.#begun({ name, sink, lock }, request);
    } finally {
      if (this.#job === undefined) close({ sink, lock });
    }
    const state = stateOf(this.#job);
    if (!state.copying) this.#close();
    return state;
  }

  async write(): Promise<BackupState> {
    const job = this.#assertJob();
    const { files, fleeces, sink } = job;
    await finishJobs(this.#context, files, fleeces);
    // A reader that is slow must not cost guests the room that the copies take.
    await whileRoomIsLeft(files, 'backup', this.#abort, async () => {
      const sources = fleeces.map(({ disk: { node }, chain }) => ({ node, chain }));
      await this.#writeDisks(job, sources);
      await sink.commit();
    });
    return stateOf(job);
  }

  async end({ how }: EndBackup): Promise<void> {
    const job = this.#assertJob();
    try {
      if (how === 'advance') await this.#advanceChain(job);
      else if (how === 'undo') {
        job.sink.discard();
        await this.#tidyUp(job.name);
      }
    } finally {
      this.#close();
    }
  }

  async #begun(
    { name, sink, lock }: Pick<Job, 'name' | 'sink' | 'lock'>,
    { incremental, speed }: BeginBackup,
  ): Promise<Job> {
    const context = this.#context;
    const files = context.paths.vm(name);
    const config = readVmConfig(name, files);
    const running = processesOf(files).length > 0;
    // What one that was killed has left and the verb before this could not end, a frozen guest first of all.
    if (running && fs.existsSync(files.fleece)) await thawGuest(context, name);
    await settle(context, name);
    const disks = disksOf(context, files, config);
    const bitmaps = await bitmapsOf(name, files, disks, running);
    const plan = planOf({ config, files, bitmaps, incremental, id: randomUUID() });
    if (!running) assertRoomForBitmaps(files, diskSizes(config));
    const fleeces = running ? fleecesOf(files, disks) : [];
    const writer = new BackupWriter(sink);
    const job: Job = { name, files, disks, plan, sink, lock, fleeces, writer };
    try {
      writeNote(files, { part: sink.part, running });
      sink.open();
      if (running) await this.#beginLive(job, bitmaps, speed);
      else await this.#copyOff(job);
    } catch (error) {
      // What it has written may be what fills the disk.
      sink.discard();
      await this.#tidyUp(name);
      throw error;
    }
    return job;
  }

  async #beginLive(
    { name, files, fleeces, plan: { since, header } }: Job,
    bitmaps: readonly (readonly Bitmap[])[],
    speed: number,
  ): Promise<void> {
    const bytes = header.disks.map((disk) => disk.bytes);
    await makeFleeces(this.#context, files, fleeces, { bytes, bitmaps, since });
    const next = bitmapName(header.id);
    header.quiesced = await beginJobs(this.#context, name, fleeces, { next, since, speed });
  }

  async #copyOff(job: Job): Promise<void> {
    await this.#writeDisks(job, job.disks);
    assertRoomForBitmaps(
      job.files,
      job.plan.header.disks.map(({ bytes }) => bytes),
    );
    for (const disk of job.disks) await addBitmap(disk, bitmapName(job.plan.header.id));
    await job.sink.commit();
    await this.#advanceChain(job);
  }

  async #writeDisks(
    { name, plan, writer }: Job,
    sources: readonly Pick<VmDisk, 'node' | 'chain'>[],
  ): Promise<void> {
    await writer.begin(plan.header);
    await copyDisks(this.#context, name, writer, sources, plan);
    await writer.end();
  }

  /** The backup has its name: the chain goes on from it. */
  async #advanceChain({ name, files, plan }: Job): Promise<void> {
    if (!fs.existsSync(files.directory)) return;
    const { id, chain, sequence, created_at } = plan.header;
    const { superseded } = plan;
    const last = { id, chain, sequence, created_at };
    try {
      writeBackups(files, {
        version: 1,
        last,
        ...(superseded === undefined ? {} : { superseded }),
      });
    } catch (cause) {
      await this.#tidyUp(name);
      throw new ProvisionerError(
        `VM ${name}: the backup is written, but not that it is the last one: ${messageOf(cause)}`,
        { hint: 'it can be restored; the next increment follows the one before it', cause },
      );
    }
    await this.#tidyUp(name);
  }

  /** What cannot be tidied up now is left to the next verb: it says nothing about the backup. */
  async #tidyUp(name: VmName): Promise<void> {
    try {
      await settle(this.#context, name);
    } catch (error) {
      this.#context.report(
        `VM ${name}: what its backup needed is still there: ${messageOf(error)}`,
      );
    }
  }

  #assertJob(): Job {
    if (this.#job === undefined) throw new InputError('no backup has begun');
    return this.#job;
  }

  #close(): void {
    if (this.#job !== undefined) close(this.#job);
    this.#job = undefined;
  }
}

function close({ sink, lock }: Pick<Job, 'sink' | 'lock'>): void {
  sink.discard();
  lock.remove();
}

function stateOf({ plan: { header }, disks, writer, fleeces }: Job): BackupState {
  const { id, parent, sequence, quiesced } = header;
  const copying = fleeces.length > 0;
  return { id, parent, sequence, quiesced, disks: disks.length, bytes: writer.dataBytes, copying };
}

/** @throws ProvisionerError when its guest is halted by a write that failed. */
function bitmapsOf(
  name: VmName,
  files: VmFiles,
  disks: readonly VmDisk[],
  running: boolean,
): Promise<Bitmap[][]> {
  if (!running) return restingBitmaps(disks);
  return withQmp(
    files.qmp,
    async (qmp) => {
      await assertNotHalted(qmp, name);
      return await liveBitmaps(qmp, disks);
    },
    MONITOR,
  );
}
