import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { Paths, type VmFiles } from '../../../src/host/paths.ts';
import { readProcessStat } from '../../../src/host/process.ts';
import { poll } from '../../../src/host/time.ts';
import { parseVmName } from '../../../src/types.ts';
import { CONSOLE_LOG_BYTES, openConsoleLog } from '../../../src/vm/console-log.ts';
import { loggersPrefix } from '../../../src/vm/loggers.ts';
import { openQemuLog, QEMU_LOG_BYTES } from '../../../src/vm/qemu-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

/** Writes to the pipe as QEMU does, says which child it has, and ends when its own stdin does. */
const GUEST = `
exec 5>"$1"
read -r console words </proc/$$/task/$$/children
echo "$console"
eval "$2" >&5
`;

interface Started {
  files: VmFiles;
  guest: ChildProcess;
  logger: number;
}

/** A shell in QEMU's place that prints to its console what the script prints. */
async function start(t: TestContext, script: string): Promise<Started> {
  const directory = temporaryDirectory(t);
  const files = new Paths(directory, path.join(directory, 'run')).vm(parseVmName('web1'));
  fs.mkdirSync(files.directory, { recursive: true });
  fs.mkdirSync(files.run, { recursive: true });
  const log = await openConsoleLog(files, undefined);
  const words = await openQemuLog(files, undefined);
  const tap = fs.openSync(path.join(directory, 'tap'), 'w');
  const command = ['sh', '-c', GUEST, 'guest', files.consoleFifo, script];
  const [shell = '', ...args] = [...loggersPrefix(files), ...command];
  const stdio = [log.reading, 'pipe', words.writing, tap, words.reading] as const;
  const guest = spawn(shell, args, { detached: true, stdio: [...stdio] });
  fs.closeSync(tap);
  words.spawned();
  t.after(() => guest.exitCode ?? guest.signalCode ?? process.kill(-(guest.pid ?? 0), 'SIGKILL'));
  assert.ok(guest.stdout !== null);
  const [line] = (await once(guest.stdout, 'data')) as [Buffer];
  log.release();
  words.release();
  return { files, guest, logger: Number(line.toString().trim()) };
}

async function ended(pid: number): Promise<void> {
  const over = (): true | undefined =>
    /^[^ZX]/.test(readProcessStat(pid)?.state ?? 'X') ? undefined : true;
  assert.ok(await poll(over, { deadlineMs: 10_000, everyMs: 5 }), `process ${pid} is still there`);
}

test('the logger is a child of QEMU, keeps what it prints, and ends with it', async (t) => {
  const { files, guest, logger } = await start(t, 'echo booting; sleep 0.1; echo ready');
  assert.ok(logger > 1);
  await once(guest, 'exit');
  await ended(logger);
  assert.equal(fs.readFileSync(files.consoleLog, 'utf8'), 'booting\nready\n');
});

test('the logger outlives a SIGTERM to all, and keeps the last words', async (t) => {
  const { files, guest, logger } = await start(
    t,
    "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.05; done",
  );
  const up = (): true | undefined =>
    fs.readFileSync(files.consoleLog, 'utf8') === 'up\n' ? true : undefined;
  assert.ok(await poll(up, { deadlineMs: 10_000, everyMs: 5 }));
  process.kill(-(guest.pid ?? 0), 'SIGTERM');
  await once(guest, 'exit');
  await ended(logger);
  assert.equal(fs.readFileSync(files.consoleLog, 'utf8'), 'up\nbye\n');
});

test('a console that is written byte by byte is kept to its end', async (t) => {
  const { files, guest, logger } = await start(
    t,
    'i=0; while [ $i -lt 20000 ]; do printf .; i=$((i+1)); done; echo end',
  );
  await once(guest, 'exit');
  await ended(logger);
  assert.equal(fs.readFileSync(files.consoleLog, 'utf8'), `${'.'.repeat(20_000)}end\n`);
});

test('what is printed without end is bounded, and the last of it is there', async (t) => {
  const { files, guest, logger } = await start(t, 'seq 300000');
  await once(guest, 'exit');
  await ended(logger);
  const sizes = [files.consoleLog, files.consoleLogOld].map((file) => fs.statSync(file).size);
  for (const size of sizes) assert.ok(size <= CONSOLE_LOG_BYTES, `${size} bytes`);
  const kept =
    fs.readFileSync(files.consoleLogOld, 'utf8') + fs.readFileSync(files.consoleLog, 'utf8');
  assert.ok(kept.length >= CONSOLE_LOG_BYTES);
  assert.ok(kept.endsWith('299999\n300000\n'));
});

test('what QEMU itself says is kept from its beginning, up to a bound, and QEMU goes on', async (t) => {
  const { files, guest, logger } = await start(t, "trap '' PIPE; seq 100000 >&2; echo went on");
  await once(guest, 'exit');
  await ended(logger);
  const kept = (): true | undefined =>
    fs.statSync(files.qemuLog).size === QEMU_LOG_BYTES ? true : undefined;
  assert.ok(await poll(kept, { deadlineMs: 10_000, everyMs: 5 }));
  assert.match(fs.readFileSync(files.qemuLog, 'utf8'), /^1\n2\n3\n/);
  assert.equal(fs.readFileSync(files.consoleLog, 'utf8'), 'went on\n');
});

test('the logger keeps neither the tap nor the descriptors of the log open', async (t) => {
  const { guest, logger } = await start(t, 'exec sleep 60');
  const held = (pid: number, fd: number): string => {
    try {
      return path.basename(fs.readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return 'nothing';
    }
  };
  assert.equal(held(guest.pid ?? 0, 3), 'tap');
  // The shell in between has been forked, but may not have become the logger yet.
  const wanted = 'console.fifo null null nothing nothing';
  const five = (): string => [0, 1, 2, 3, 4].map((fd) => held(logger, fd)).join(' ');
  const asWanted = (): true | undefined => (five() === wanted ? true : undefined);
  assert.ok(await poll(asWanted, { deadlineMs: 10_000, everyMs: 5 }), five());
});
