import { setMaxListeners } from 'node:events';
import * as fs from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { InputError, ProvisionerError } from '../../errors.ts';
import type { VmFiles } from '../../host/paths.ts';
import type { BackupHeader, BackupRecord } from '../../image/backup/format.ts';
import { BackupReader } from '../../image/backup/reader.ts';
import type { NbdClient } from '../../nbd/client.ts';
import { readVmConfig } from '../../store/vm-config.ts';
import { quote, type VmName } from '../../types.ts';
import { assertOff } from '../assert-off.ts';
import { disksOf } from '../disk-chains.ts';
import type { RootContext } from '../host.ts';
import type { FillVm, RestoreSide, VerifiedBackup } from '../root-side.ts';
import { whileRoomIsLeft } from './room.ts';
import { withServedImages } from './served-image.ts';

interface Verified {
  file: string;
  header: BackupHeader;
  bytes: number;
}

/** The files of one backup and its increments, on the side that may read them and has the disks. */
export class RestoreSession implements RestoreSide {
  readonly #context: RootContext;
  readonly #files: readonly string[];
  readonly #abort = new AbortController();
  #chain: readonly Verified[] = [];
  #filling = false;

  /** @param files from the command line: nobody names one later. */
  constructor(context: RootContext, files: readonly string[]) {
    const signal = AbortSignal.any([context.signal, this.#abort.signal]);
    // As many wait with it as there are disks.
    setMaxListeners(0, signal);
    this.#context = { ...context, signal };
    this.#files = files;
  }

  /** Whether there is something half-done. */
  get isBusy(): boolean {
    return this.#filling;
  }

  /** Ends what is under way. */
  cancel(): void {
    this.#abort.abort(new ProvisionerError('the restore was interrupted'));
  }

  async verify(): Promise<VerifiedBackup> {
    const chain: Verified[] = [];
    for (const file of this.#files) chain.push(await verified(this.#context.signal, file));
    const header = assertChain(chain);
    this.#chain = chain;
    return { header, bytes: chain.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  async fill({ name }: FillVm): Promise<void> {
    const files = this.#context.paths.vm(name);
    assertNew(name, files);
    if (this.#chain.length === 0) throw new InputError('no backup was verified');
    this.#filling = true;
    try {
      // What a file says of zeroes takes room as well: its tables.
      await whileRoomIsLeft(files, 'restore', this.#abort, () => this.#fillDisks(name, files));
    } finally {
      this.#filling = false;
    }
  }

  async #fillDisks(name: VmName, files: VmFiles): Promise<void> {
    const context = this.#context;
    const disks = disksOf(context, files, readVmConfig(name, files));
    const options = { writable: true, contexts: [] };
    await withServedImages(context, name, disks, options, async (clients) => {
      for (const one of this.#chain) await apply(context.signal, clients, one);
      for (const client of clients) await client.flush();
    });
  }
}

/** @throws ProvisionerError when the disks may hold what a guest has written. */
function assertNew(name: VmName, files: VmFiles): void {
  assertOff(name, files, 'a backup is restored to a new VM');
  if (![files.process, files.ended].some((file) => fs.existsSync(file))) return;
  throw new ProvisionerError(`VM ${name} has run already: a backup is restored to a new VM`);
}

async function verified(signal: AbortSignal, file: string): Promise<Verified> {
  let header: BackupHeader | undefined;
  let bytes = 0;
  await eachRecord(signal, file, (record, of) => {
    header = of;
    bytes += record?.data?.length ?? 0;
  });
  if (header === undefined) throw new InputError(`${quote(file)} is empty`);
  return { file, header, bytes };
}

/** Each record in turn, and undefined first of all. The whole file is checked on the way. */
async function eachRecord(
  signal: AbortSignal,
  file: string,
  work: (record: BackupRecord | undefined, header: BackupHeader) => Promise<void> | void,
): Promise<void> {
  const reader = new BackupReader(file);
  try {
    const header = reader.header();
    await work(undefined, header);
    for (const record of reader.records(header)) {
      await work(record, header);
      // Files are read without waiting for them: signals are heard in between.
      await setImmediate();
      signal.throwIfAborted();
    }
  } finally {
    reader.close();
  }
}

function assertChain(chain: readonly Verified[]): BackupHeader {
  let before: Verified | undefined;
  for (const one of chain) {
    const { file, header } = one;
    if (before === undefined && header.parent !== null) {
      throw new InputError(`${quote(file)} is an increment of ${header.parent}`, {
        hint: 'name the complete backup first, then its increments in order',
      });
    }
    if (before !== undefined && header.parent !== before.header.id) {
      throw new InputError(
        `${quote(file)} does not continue ${quote(before.file)}: it follows ${header.parent ?? 'nothing, being complete'}, not ${before.header.id}`,
        { hint: 'name the complete backup first, then its increments in order' },
      );
    }
    if (before !== undefined && sizes(header).join() !== sizes(before.header).join())
      throw new InputError(`${quote(file)} has other disks than ${quote(before.file)}`);
    before = one;
  }
  if (before === undefined) throw new InputError('restore needs a backup');
  return before.header;
}

function sizes({ disks }: BackupHeader): number[] {
  return disks.map(({ bytes }) => bytes);
}

/** A file that is another one by now is found by its id, one that has changed by its checksum. */
async function apply(
  signal: AbortSignal,
  clients: readonly NbdClient[],
  { file, header: { id } }: Verified,
): Promise<void> {
  await eachRecord(signal, file, async (record, header) => {
    if (header.id !== id) throw new InputError(`${quote(file)} was replaced while it was restored`);
    const client = clients[record?.disk ?? -1];
    if (record === undefined || client === undefined) return;
    if (record.data === undefined) await client.writeZeroes(record.offset, record.length);
    else await client.write(record.offset, record.data);
  });
}
