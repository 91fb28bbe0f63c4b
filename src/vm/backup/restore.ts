import { setImmediate } from 'node:timers/promises';
import { InputError } from '../../errors.ts';
import type { BackupHeader } from '../../image/backup/format.ts';
import { BackupReader } from '../../image/backup/reader.ts';
import type { NbdClient } from '../../nbd/client.ts';
import { readVmConfig } from '../../store/vm-config.ts';
import { quote, type VmName } from '../../types.ts';
import { type CreateResult, createVm } from '../create.ts';
import type { CreateSpec, DiskContent } from '../create-spec.ts';
import { disksOf } from '../disk-chains.ts';
import type { Host } from '../host.ts';
import { assertOwnHost } from '../own-host.ts';
import { withServedImage } from './served-image.ts';

export interface RestoreOptions {
  vcpus: number | undefined;
  memoryMb: number | undefined;
  bridge: string | undefined;
  sshKeys: string[];
  wait: boolean;
}

interface Verified {
  file: string;
  header: BackupHeader;
  bytes: number;
}

/**
 * Makes a new VM of a complete backup and its increments, once all of them are verified. Without a name that is all.
 * @throws InputError naming the file that is damaged or does not follow the one before.
 */
export async function restoreVm(
  host: Host,
  name: VmName | undefined,
  files: readonly string[],
  options: RestoreOptions,
): Promise<CreateResult | undefined> {
  assertOwnHost(host, 'restore');
  const chain: Verified[] = [];
  for (const file of files) chain.push(await verify(host, file));
  const last = assertChain(chain);
  if (name === undefined) return undefined;
  return await createVm(host, specOf(host, name, last, contentOf(chain), options));
}

async function verify(host: Host, file: string): Promise<Verified> {
  let header: BackupHeader | undefined;
  let bytes = 0;
  await eachRecord(host, file, (record, of) => {
    header = of;
    bytes += record?.data?.length ?? 0;
  });
  if (header === undefined) throw new InputError(`${quote(file)} is empty`);
  return { file, header, bytes };
}

/** Each record in turn, and undefined first of all. The whole file is checked on the way. */
async function eachRecord(
  host: Host,
  file: string,
  work: (
    record: ReturnType<BackupReader['records']> extends Generator<infer R> ? R | undefined : never,
    header: BackupHeader,
  ) => Promise<void> | void,
): Promise<void> {
  const reader = new BackupReader(file);
  try {
    const header = reader.header();
    await work(undefined, header);
    for (const record of reader.records(header)) {
      await work(record, header);
      // Files are read without waiting for them: signals are heard in between.
      await setImmediate();
      host.signal.throwIfAborted();
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

function contentOf(chain: readonly Verified[]): DiskContent {
  return {
    diskBytes: chain[0]?.header.disks[0]?.bytes ?? 0,
    bytes: chain.reduce((sum, { bytes }) => sum + bytes, 0),
    async write(host, name) {
      const files = host.paths.vm(name);
      const disks = disksOf(host, files, readVmConfig(name, files));
      for (const [index, disk] of disks.entries()) {
        const options = { writable: true, contexts: [] };
        await withServedImage(host, name, disk, options, async (client) => {
          for (const { file, header } of chain) await apply(host, client, file, header.id, index);
          await client.flush();
        });
      }
    },
  };
}

/** A file that is another one by now is found by its id, one that has changed by its checksum. */
async function apply(
  host: Host,
  client: NbdClient,
  file: string,
  id: string,
  disk: number,
): Promise<void> {
  await eachRecord(host, file, async (record, header) => {
    if (header.id !== id) throw new InputError(`${quote(file)} was replaced while it was restored`);
    if (record?.disk !== disk) return;
    if (record.data === undefined) await client.writeZeroes(record.offset, record.length);
    else await client.write(record.offset, record.data);
  });
}

function specOf(
  host: Host,
  name: VmName,
  { vm, disks }: BackupHeader,
  content: DiskContent,
  { vcpus, memoryMb, bridge, sshKeys, wait }: RestoreOptions,
): CreateSpec {
  const { settings } = host;
  return {
    name,
    content,
    wallet: '',
    nftTokenId: null,
    expiryDays: settings.default_expiry_days,
    vcpus: vcpus ?? vm.vcpus,
    memoryMb: memoryMb ?? vm.memory_mb,
    diskGb: undefined,
    username: vm.username,
    network: bridge === undefined ? settings.network : 'bridge',
    bridge: bridge ?? settings.bridge,
    image: undefined,
    template: undefined,
    cloudInitContent: undefined,
    sshKeys,
    extras: {
      hostname: undefined,
      forwards: [],
      segments: [],
      disks: disks.slice(1).map(({ bytes }) => ({ bytes })),
      userData: [],
      address: undefined,
      wait,
    },
  };
}
