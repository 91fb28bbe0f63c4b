import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import type { TemplateFiles } from '../../../src/host/paths.ts';
import { poll } from '../../../src/host/time.ts';
import { answer } from '../../../src/root/door.ts';
import { processesAbout } from '../../support/leftovers.ts';
import { programFile, Running } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
let id = '';
let template: TemplateFiles;
before(async () => {
  await sandbox.create('web1');
  await sandbox.ok('kill', ['web1']);
  id = fs.readdirSync(sandbox.config.paths.templates).find((name) => name !== 'current') ?? '';
  template = sandbox.config.paths.template(id);
});

const READ = /is another file than before: it is read through once/;

/** Turns one bit, leaving size, inode and modification time as they were. */
function flip(file: string): void {
  const { atime, mtime, size } = fs.statSync(file);
  const fd = fs.openSync(file, 'r+');
  const at = Math.floor(size / 2);
  const byte = Buffer.alloc(1);
  fs.readSync(fd, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 1;
  fs.writeSync(fd, byte, 0, 1, at);
  fs.closeSync(fd);
  fs.utimesSync(file, atime, mtime);
}

/** A copy in its place, as a restored backup is: another inode, other times. */
function restoreBackup(file: string): void {
  fs.copyFileSync(file, `${file}.copy`);
  fs.renameSync(`${file}.copy`, file);
}

async function start(): Promise<{ code: number | null; stderr: string }> {
  const { code, stderr } = await sandbox.run('start', ['web1']);
  if (code === 0) await sandbox.ok('kill', ['web1']);
  return { code, stderr };
}

async function deepCodes(): Promise<string[]> {
  const argv = [programFile('blockhost-qemu'), 'doctor', '--json', '--deep'];
  const { stdout } = await new Running(argv, { env: sandbox.env }).done;
  const { findings } = JSON.parse(stdout) as { findings: { subject: string; code: string }[] };
  return findings
    .filter(({ code }) => ['template', 'backing', 'backing-missing'].includes(code))
    .map(({ subject, code }) => `${subject} ${code}`);
}

test('a template that is as it was published is not read at a start', async () => {
  const { code, stderr } = await start();
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, READ);
});

test('one from a backup is read once, then known again', async () => {
  restoreBackup(template.image);
  const first = await start();
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, READ);
  assert.doesNotMatch((await start()).stderr, READ);
  assert.deepEqual(await deepCodes(), []);
});

test('a bit that was turned is found before QEMU starts, though the times were put back', async () => {
  flip(template.image);
  try {
    for (const read of [true, false]) {
      const { code, stderr } = await start();
      assert.equal(code, 1);
      assert.equal(READ.test(stderr), read, stderr);
      const words = `VM web1: template ${id} is not what was published: ${template.image} has SHA-256`;
      assert.ok(stderr.includes(words), stderr);
      assert.match(
        stderr,
        /; bring that directory back from a backup as it was, or destroy the VM$/m,
      );
      assert.deepEqual(processesAbout(sandbox.state), []);
    }
    assert.deepEqual(await deepCodes(), [`${id} template`]);
  } finally {
    flip(template.image);
  }
  assert.equal((await start()).code, 0);
});

test('a store of an earlier version, without what was seen, is read once', async () => {
  fs.rmSync(template.seen);
  assert.match((await start()).stderr, READ);
  assert.doesNotMatch((await start()).stderr, READ);
});

test('a disk that was made from another template than vm.json says is refused', async () => {
  const { config } = sandbox.files('web1');
  const text = fs.readFileSync(config, 'utf8');
  const other = 'image-000000000000';
  const directory = sandbox.config.paths.template(other).directory;
  fs.cpSync(template.directory, directory, { recursive: true });
  fs.writeFileSync(config, text.replace(id, other));
  try {
    const { code, stderr } = await start();
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(`VM web1: \\S+ was made from \\S+/${id}/disk.qcow2, but \\S+ says ${other};`),
    );
    assert.deepEqual(await deepCodes(), ['web1 backing']);
  } finally {
    fs.writeFileSync(config, text);
    fs.rmSync(directory, { recursive: true });
  }
});

test('who holds up others is not made to wait: a process of its own reads, and the next request starts', async (t) => {
  assert.equal(process.getuid?.(), 0, 'run this as root: `root --verify` works for nobody else');
  restoreBackup(template.image);
  const before = process.argv[1];
  Object.assign(process.env, sandbox.env);
  process.argv[1] = programFile('blockhost-qemu');
  t.after(() => {
    if (before !== undefined) process.argv[1] = before;
  });
  const ask = () =>
    answer(sandbox.host({ inHaste: true }), 'vm-start', JSON.stringify({ name: 'web1' }));
  const first = await ask();
  assert.ok(!first.ok && first.kind === 'busy', JSON.stringify(first));
  assert.match(first.error, new RegExp(`its template ${id} is another file than before`));
  const started = await poll(async () => ((await ask()).ok ? true : undefined), {
    deadlineMs: 60_000,
    everyMs: 200,
  });
  assert.ok(started);
  await sandbox.ok('kill', ['web1']);
  const lock = sandbox.config.paths.templateLock(id);
  assert.ok(!fs.existsSync(lock));
});
