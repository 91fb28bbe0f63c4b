import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { run } from '../../src/host/exec.ts';
import { fileSink } from '../../src/host/sink.ts';
import { poll } from '../../src/host/time.ts';
import type { BackupHeader, BackupRecord } from '../../src/image/backup/format.ts';
import { BackupReader } from '../../src/image/backup/reader.ts';
import { BackupWriter } from '../../src/image/backup/writer.ts';
import { withQmp } from '../../src/qmp/with-qmp.ts';
import { GiB } from '../../src/types.ts';
import type { ProgramOptions, Running } from './program.ts';
import type { Sandbox } from './sandbox.ts';

/** A backup of a VM with two disks that has begun and takes a minute, or longer at a lower rate (MB/s). */
export async function beginSlowBackup(
  sandbox: Sandbox,
  name: string,
  to: string,
  { rate = 16, ...options }: ProgramOptions & { rate?: number } = {},
): Promise<Running> {
  const running = sandbox.begin('backup', [name, '--to', to, '--rate', String(rate)], options);
  const copies = async (): Promise<true | undefined> => {
    if (running.child.exitCode !== null) throw new Error(`it ended: ${running.stderr}`);
    const jobs = await withQmp(sandbox.files(name).probe, (qmp) => qmp.execute('query-jobs'));
    return jobs.length === 2 && jobs.every((job) => job['current-progress'] > 0) ? true : undefined;
  };
  if ((await poll(copies, { deadlineMs: 60_000, everyMs: 20 })) === undefined)
    throw new Error(`nothing is copied: ${running.stderr}`);
  return running;
}

/**
 * What the files of a chain hold together is, byte for byte, what the disks of 1 GiB of a VM with one further disk
 * hold, which is off. @throws ExecError when it is not.
 */
export async function assertHoldsDisks(
  sandbox: Sandbox,
  name: string,
  chain: readonly string[],
): Promise<void> {
  const { disk, directory } = sandbox.files(name);
  for (const [index, image] of [disk, path.join(directory, 'extra1.qcow2')].entries()) {
    const raw = `${chain[0]}.raw`;
    const fd = fs.openSync(raw, 'w');
    fs.ftruncateSync(fd, 1024 ** 3);
    for (const one of chain) {
      const reader = new BackupReader(one);
      for (const { disk: of, offset, length, data } of reader.records(reader.header()))
        if (of === index) fs.writeSync(fd, data ?? Buffer.alloc(length), 0, length, offset);
      reader.close();
    }
    fs.closeSync(fd);
    await run('qemu-img', ['compare', '-q', '-f', 'raw', '-F', 'qcow2', raw, image]);
    fs.rmSync(raw);
  }
}

/** Of a complete backup of a VM with one disk, unless told otherwise. */
export function backupHeader(more: Partial<BackupHeader> = {}): BackupHeader {
  const id = randomUUID();
  return {
    ...{ id, parent: null, chain: id, sequence: 0, quiesced: null },
    created_at: '2026-01-02T03:04:05.000Z',
    vm: {
      ...{ name: 'web1', uuid: randomUUID(), vcpus: 1, memory_mb: 128, username: 'admin' },
      ...{ template: 'image-0', network: 'user' },
    },
    disks: [{ bytes: GiB }],
    ...more,
  };
}

/** A file that is what it says, whatever that is. @returns its path. */
export async function writeBackup(
  file: string,
  header: BackupHeader,
  records: readonly BackupRecord[],
): Promise<string> {
  const sink = fileSink(file);
  sink.open();
  const writer = new BackupWriter(sink);
  await writer.begin(header);
  for (const { disk, offset, length, data } of records)
    if (data === undefined) await writer.zero(disk, offset, length);
    else await writer.data(disk, offset, data);
  await writer.end();
  await sink.commit();
  return file;
}
