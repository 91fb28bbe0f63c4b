import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as http from 'node:http';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { lockFile } from '../../../src/host/lock.ts';
import { Paths } from '../../../src/host/paths.ts';
import { sleep } from '../../../src/host/time.ts';
import { type BuildTemplateOptions, buildTemplate } from '../../../src/image/build-template.ts';
import { customizeScript } from '../../../src/image/guest/customize-script.ts';
import { guestFiles } from '../../../src/image/guest/guest-files.ts';
import { hashFile } from '../../../src/image/hash-file.ts';
import { listTemplates } from '../../../src/image/template-store.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'build-'));
after(() => fs.rmSync(folder, { recursive: true }));
let paths: Paths;
let lines: string[];
beforeEach(() => {
  paths = new Paths(fs.mkdtempSync(path.join(folder, 's')), path.join(folder, 'run'));
  lines = [];
});

/** A disk without anything on it: QEMU finds nothing to boot and stays. */
const blank = path.join(folder, 'blank.qcow2');
await run('qemu-img', ['create', '-q', '-f', 'qcow2', blank, '64M']);
const checksum = `sha256:${await hashFile(blank, 'sha256')}`;

function build(options: BuildTemplateOptions, signal?: AbortSignal, qemu = 'qemu-system-x86_64') {
  const report = (line: string): void => {
    lines.push(line);
  };
  return buildTemplate(options, { paths, report, signal, accel: 'tcg', qemuBinary: qemu });
}

function assertNothingLeft(): void {
  assert.deepEqual(listTemplates(paths), []);
  assert.deepEqual(fs.existsSync(paths.staging) ? fs.readdirSync(paths.staging) : [], []);
}

test('an image that is not what its checksum says is refused before use', async () => {
  const wrong = `sha512:${'0'.repeat(128)}`;
  await assert.rejects(build({ cloudImage: blank, checksum: wrong }), /is not the image expected/);
  assertNothingLeft();
});

test('a cloud image without a checksum is refused before anything is touched', async () => {
  await assert.rejects(build({ cloudImage: blank }), /needs a checksum/);
  assert.ok(!fs.existsSync(paths.staging));
});

test('when packages are required, an empty folder is an error', async () => {
  const options = { cloudImage: blank, checksum, packagesDir: folder, requirePackages: true };
  await assert.rejects(build(options), /there are no packages in/);
});

test('a guest that never answers is given up at the deadline', async () => {
  const options = { cloudImage: blank, checksum, deadlineMs: 1500 };
  await assert.rejects(build(options), /does the image have cloud-init\?/);
  assertNothingLeft();
});

test('an abort ends QEMU and leaves nothing', async () => {
  const controller = new AbortController();
  const building = build({ cloudImage: blank, checksum }, controller.signal);
  while (!lines.some((line) => line.startsWith('starting the image'))) await sleep(20);
  await sleep(300);
  controller.abort(new Error('stopped by the user'));
  await assert.rejects(building, /stopped by the user/);
  assertNothingLeft();
  const { stdout } = await run('ps', ['-eo', 'args']);
  assert.ok(!stdout.includes(paths.state), 'QEMU is still running');
});

test('a guest that powers off without a word is a failure', async () => {
  await assert.rejects(
    build({ cloudImage: blank, checksum }, undefined, 'true'),
    /powered off early/,
  );
  assertNothingLeft();
});

test('a QEMU that is not there is named, with what to install', async () => {
  await assert.rejects(build({ cloudImage: blank, checksum }, undefined, 'no-such-qemu'), {
    hint: 'install qemu-system-x86',
  });
  assertNothingLeft();
});

test('an image is downloaded and verified; a server that has none is quoted', async () => {
  const server = http.createServer((request, response) => {
    if (request.url === '/image') fs.createReadStream(blank).pipe(response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  try {
    await assert.rejects(build({ cloudImage: `${url}/none`, checksum }), /answered 404/);
    const good = build({ cloudImage: `${url}/image`, checksum }, undefined, 'true');
    await assert.rejects(good, /powered off early/);
    assert.ok(lines.includes('copying the image'));
  } finally {
    server.close();
  }
  assertNothingLeft();
});

test('on a disk without room for it a build is refused at once, with the numbers', async () => {
  const disk = fs.mkdtempSync(path.join(folder, 'm'));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=300m', 'none', disk]);
  const server = http.createServer((_, response) => {
    response.writeHead(200, { 'content-length': 3 * 1024 ** 3 }).flushHeaders();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const cloudImage = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/image`;
  paths = new Paths(path.join(disk, 's'), path.join(disk, 'run'));
  const refused = (needed: number): RegExp =>
    new RegExp(`only \\d{3} MB are free in \\S+, building a template needs ${needed} MB`);
  try {
    await assert.rejects(build({ cloudImage: blank, checksum }), refused(513));
    await assert.rejects(build({ cloudImage, checksum }), refused(6656));
    await assert.rejects(build({}), refused(1536));
    assert.deepEqual(lines, []);
    assertNothingLeft();
  } finally {
    server.closeAllConnections();
    server.close();
    await run('umount', [disk]);
  }
});

test('a second build waits for the first and says so', async () => {
  const file = path.join(paths.state, 'locks', '.templates.lock');
  const lock = await lockFile(file, { what: 'x', holder: 'build-template', waitMs: 0 });
  const building = build({ cloudImage: blank, checksum }, undefined, 'true');
  while (lines.length === 0) await sleep(20);
  assert.match(lines[0] ?? '', /in use by build-template \(pid \d+\); waiting for it to finish/);
  lock.release();
  await assert.rejects(building, /powered off early/);
});

test('every script that runs in a guest passes shellcheck', async () => {
  const scripts = [true, false].flatMap((tune) => [
    customizeScript({ tune }),
    ...guestFiles(tune).flatMap((file) => ('content' in file ? [file.content] : [])),
  ]);
  const shell = scripts.filter((text) => /^#!\/bin\/(busybox )?sh/.test(text));
  assert.ok(shell.length >= 6);
  for (const input of shell) await run('shellcheck', ['--shell=sh', '-'], { input });
});
