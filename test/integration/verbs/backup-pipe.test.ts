import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { poll } from '../../../src/host/time.ts';
import { parseVmName } from '../../../src/types.ts';
import { audit } from '../../support/audit/audit.ts';
import type { Running } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
const { paths } = sandbox.config;
const MB = 1024 * 1024;

/** Counts on its second disk and then on its first, each on the disk before the next, above 16 MB of noise. */
const COUNT = `dd if=/dev/urandom of=/dev/vdc bs=1M count=16 seek=1 conv=fsync 2>/dev/null
(i=0; while :; do i=$((i + 1)); printf '%-511d\\n' $i >/tmp/block
  dd if=/tmp/block of=/dev/vdc bs=512 conv=notrunc,fsync; cp /tmp/block /data/count; sync; done) >/dev/null 2>&1 &`;
const READ = 'head -c 512 /dev/vdc; head -c 512 /data/count';

async function counted(name: string): Promise<[number, number]> {
  const [second = 0, first = 0] = (await sandbox.shOnDisk(name, READ)).split(/\s+/).map(Number);
  return [second, first];
}

before(async () => {
  await sandbox.create('web1', '--extra-disk', '1');
  await sandbox.shOnDisk('web1', COUNT);
  const counts = async (): Promise<true | undefined> =>
    (await counted('web1').catch(() => [0, 0]))[1] > 3 ? true : undefined;
  assert.ok(await poll(counts, { deadlineMs: 120_000, everyMs: 200 }), 'the guest does not count');
});

/** A backup to a pipe that has begun to write, and whose reader does not read. */
async function stuck(): Promise<Running> {
  const running = sandbox.begin('backup', ['web1', '--to', '-']);
  running.child.stdout?.pause();
  const writes = (): true | undefined =>
    fs.existsSync(paths.imageServer(parseVmName('web1'))) ? true : undefined;
  assert.ok(await poll(writes, { deadlineMs: 120_000, everyMs: 5 }), running.stderr);
  return running;
}

function residentMb(pid = 0): number {
  const text = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(text)?.[1]) / 1024;
}

function copiesMb(): number {
  const { fleece } = sandbox.files('web1');
  const blocks = fs.readdirSync(fleece).map((file) => fs.statSync(path.join(fleece, file)).blocks);
  return (blocks.reduce((sum, one) => sum + one, 0) * 512) / MB;
}

async function nothingLeft(): Promise<void> {
  const { state, run } = paths;
  assert.deepEqual(await audit({ state, run }), []);
}

test('while the reader of a pipe rests the guest goes on, and nothing grows', async () => {
  const running = await stuck();
  const [from] = await counted('web1');
  const room = copiesMb();
  const goesOn = async (): Promise<true | undefined> =>
    (await counted('web1'))[0] > from + 20 ? true : undefined;
  assert.ok(await poll(goesOn, { deadlineMs: 120_000, everyMs: 200 }), 'the guest is held up');
  assert.equal(running.child.exitCode, null, running.stderr);
  assert.ok(running.stdout.length < 4 * MB, `${running.stdout.length} bytes were read`);
  assert.ok(copiesMb() <= room, `the copies take ${copiesMb()} MB, ${room} before`);
  const memory = residentMb(running.child.pid);
  assert.ok(memory < 200, `it takes ${memory} MB of memory`);
  running.child.stdout?.resume();
  const { code, stdoutBytes, stderr } = await running.done;
  assert.equal(code, 0, stderr);
  await nothingLeft();
  const file = `${sandbox.state}.full`;
  fs.writeFileSync(file, stdoutBytes);
  await sandbox.ok('restore', [file, 'web2']);
  const [second, first] = await counted('web2');
  assert.ok(second === first || second === first + 1, `disks of two moments: ${second}, ${first}`);
  await sandbox.ok('destroy', ['web2']);
});

test('a reader that rests and goes away leaves nothing, and the chain goes on', async () => {
  const running = await stuck();
  running.child.stdout?.destroy();
  const { code, stderr } = await running.done;
  assert.equal(code, 1, stderr);
  assert.match(stderr, /stdout cannot be written/);
  await nothingLeft();
  const file = `${sandbox.state}.inc`;
  const said = await sandbox.ok('backup', ['web1', '--incremental', '--to', file]);
  assert.match(said, /\(increment 1, /);
});
