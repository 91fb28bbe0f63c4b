import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import { ensureDirectory } from '../../host/files.ts';
import { lockFile } from '../../host/lock.ts';
import type { VmFiles } from '../../host/paths.ts';
import type { Sink } from '../../host/sink.ts';
import { BackupWriter } from '../../image/backup/writer.ts';
import { readVmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { assertOff } from '../assert-off.ts';
import { disksOf, type VmDisk } from '../disk-chains.ts';
import type { Host } from '../host.ts';
import { withVmLock } from '../lock.ts';
import { assertOwnHost } from '../own-host.ts';
import { recover } from '../recover.ts';
import { addBitmap, bitmapName, restingBitmaps } from './bitmaps.ts';
import { contextsFor, copyDisk } from './copy.ts';
import { type Plan, planOf } from './plan.ts';
import { writeBackups } from './record.ts';
import { withServedImage } from './served-image.ts';
import { settle } from './settle.ts';

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
}

/**
 * Writes what the disks of a VM hold at one moment, all of them or what was written since the last backup. It has
 * to be off. When it fails the VM is as before and the chain stays where it was.
 */
export async function backupVm(
  host: Host,
  name: VmName,
  sink: Sink,
  incremental: boolean,
): Promise<BackupResult> {
  assertOwnHost(host, 'backup');
  const lock = await lockFile(host.paths.backupLock(name), {
    what: `VM ${name}`,
    holder: `backup of ${name}`,
    waitMs: 0,
    signal: host.signal,
  });
  try {
    return await backUp(host, name, sink, incremental);
  } catch (error) {
    sink.discard();
    throw error;
  } finally {
    lock.remove();
  }
}

async function backUp(
  host: Host,
  name: VmName,
  sink: Sink,
  incremental: boolean,
): Promise<BackupResult> {
  const job = await withVmLock(host, name, 'backup', async () => {
    await recover(host, name);
    const files = host.paths.vm(name);
    const config = readVmConfig(name, files);
    assertOff(name, files, 'it is backed up when it is off');
    await settle(host, name);
    const disks = disksOf(host, files, config);
    const bitmaps = await restingBitmaps(disks);
    const plan = planOf({ config, files, bitmaps, incremental, id: randomUUID() });
    const begun = { host, name, files, disks, plan, sink, writer: new BackupWriter(sink) };
    ensureDirectory(files.fleece, 0o711);
    try {
      await copyResting(begun);
      await finish(begun);
    } catch (error) {
      await settle(host, name);
      throw error;
    }
    return begun;
  });
  const { header } = job.plan;
  return {
    ...{ id: header.id, parent: header.parent, sequence: header.sequence },
    ...{ disks: job.disks.length, bytes: job.writer.dataBytes, quiesced: header.quiesced },
  };
}

async function copyResting(job: Job): Promise<void> {
  const { host, name, disks, plan, writer } = job;
  await writer.begin(plan.header);
  for (const [index, disk] of disks.entries()) {
    const contexts = contextsFor(plan.since);
    const options = { writable: false, bitmap: plan.since, contexts };
    await withServedImage(host, name, disk, options, (client) =>
      copyDisk(client, writer, {
        disk: index,
        since: plan.since,
        onPiece: () => host.signal.throwIfAborted(),
      }),
    );
  }
  await writer.end();
  for (const disk of disks) await addBitmap(disk, bitmapName(plan.header.id));
}

/** The backup is complete: it gets its name, and the chain goes on from it. */
async function finish({ host, name, files, plan, sink }: Job): Promise<void> {
  const { id, chain, sequence, created_at } = plan.header;
  await sink.commit();
  if (fs.existsSync(files.directory)) {
    const { superseded } = plan;
    const last = { id, chain, sequence, created_at };
    writeBackups(files, { version: 1, last, ...(superseded === undefined ? {} : { superseded }) });
    await settle(host, name);
  }
}
