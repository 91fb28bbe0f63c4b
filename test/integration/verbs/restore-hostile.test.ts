import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { afterEach, test } from 'node:test';
import type { BackupHeader, BackupRecord } from '../../../src/image/backup/format.ts';
import { GiB, MiB } from '../../../src/types.ts';
import { audit } from '../../support/audit/audit.ts';
import { backupHeader, writeBackup } from '../../support/backup.ts';
import { SmallDisk } from '../../support/small-disk.ts';

const small = await SmallDisk.make(400);
const { sandbox } = small;
const base = path.dirname(sandbox.state);
const file = (name: string): string => path.join(base, name);
fs.mkdirSync(sandbox.state);
afterEach(() => small.clear());

const write = (
  name: string,
  header: BackupHeader,
  records: readonly BackupRecord[],
): Promise<string> => writeBackup(file(name), header, records);

/** One line, and no trace of a VM. */
async function refused(words: readonly string[], why: RegExp): Promise<void> {
  const free = small.freeMb;
  const { code, stdout, stderr } = await sandbox.run('restore', [...words, 'v1', '--no-wait']);
  assert.deepEqual([code, stdout], [1, ''], stderr);
  assert.match(stderr, why);
  assert.equal(stderr.trim().split('\n').length, 1, stderr);
  const { state, run } = sandbox.config.paths;
  assert.deepEqual(await audit({ state, run }), []);
  assert.ok(small.freeMb > free - 8, `${small.freeMb} MB are free, ${free} before`);
}

const full = backupHeader();
const DATA = { disk: 0, offset: 0, length: MiB, data: Buffer.alloc(MiB, 1) };
const after = (of: BackupHeader, more: Partial<BackupHeader> = {}): BackupHeader =>
  backupHeader({ parent: of.id, chain: of.chain, sequence: of.sequence + 1, ...more });

test('files that do not belong together are refused', async () => {
  const one = await write('full', full, [DATA]);
  const first = after(full);
  const inc = await write('inc', first, [DATA]);
  const stranger = await write('stranger', after(backupHeader()), [DATA]);
  const larger = await write('larger', after(first, { disks: [{ bytes: 2 * GiB }] }), []);
  await refused([one, inc, inc], /"[^"]*inc" does not continue "[^"]*inc"/);
  await refused([one, one], /does not continue .* it follows nothing, being complete/);
  await refused([one, stranger], /does not continue/);
  await refused([one, inc, larger], /has other disks than/);
  await refused([inc, one], /is an increment of/);
});

test('what is no file of bytes is refused without waiting for it', async () => {
  execFileSync('mkfifo', [file('fifo')]);
  await refused([file('fifo')], /is not a file/);
  await refused(['/dev/zero'], /is not a file/);
  await refused([file('absent')], /cannot be read/);
  fs.symlinkSync(file('absent'), file('dangling'));
  await refused([file('dangling')], /cannot be read/);
});

test('what the host cannot hold is refused with the numbers', async () => {
  const content = Array.from({ length: 64 }, (_, at) => ({ ...DATA, offset: at * MiB }));
  const one = await write('much', backupHeader(), content);
  small.fill(280);
  await refused([one], /only \d+ MB are free in \S+, VM v1 needs 320 MB; free some space/);
});

test('zeroes whose tables fill the disk are given up, and leave nothing', async () => {
  const bomb = backupHeader({ disks: [{ bytes: 8192 * GiB }] });
  const one = await write('bomb', bomb, [DATA]);
  const zeroes = { disk: 0, offset: 0, length: 8192 * GiB, data: undefined };
  const inc = await write('bomb1', after(bomb, { disks: bomb.disks }), [zeroes]);
  await refused([one, inc], /only \d+ MB are free in \S+: the restore is given up/);
});

test('a VM that cannot be is refused', async () => {
  const cases: [string, Partial<BackupHeader>, RegExp][] = [
    ['huge', { disks: [{ bytes: Number.MAX_SAFE_INTEGER }] }, /The image size is too large/],
    ['memory', { vm: { ...full.vm, memory_mb: 16_777_216 } }, /memory/],
  ];
  for (const [name, more, why] of cases)
    await refused([await write(name, backupHeader(more), [])], why);
});
