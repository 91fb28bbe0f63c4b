import assert from 'node:assert/strict';
import nodeFs, * as fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, mock, test } from 'node:test';
import { InputError, ProvisionerError } from '../../../src/errors.ts';
import { run } from '../../../src/host/exec.ts';
import { convertToQcow2, createOverlay, imageInfo } from '../../../src/image/qcow2.ts';
import { GiB } from '../../../src/types.ts';
import { makeImageBackedByPasswd } from '../../support/backed-image.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'qcow2-'));
after(() => fs.rmSync(folder, { recursive: true }));
const backing = path.join(folder, 'base:1,x.qcow2');
await run('qemu-img', ['create', '-q', '-f', 'qcow2', backing, '10G']);

test('an overlay is private, as large as asked, and refers to its template', async () => {
  const file = path.join(folder, 'disk.qcow2');
  await createOverlay({ backing, backingFormat: 'qcow2', file, sizeBytes: 20 * GiB });
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  const info = await imageInfo(file, { format: 'qcow2' });
  assert.equal(info.virtualSize, 20 * GiB);
  assert.equal(info.backingFile, backing);
});

test('an overlay smaller than its template is refused in gigabytes, and nothing is left', async () => {
  const file = path.join(folder, 'small.qcow2');
  const options = { backing, backingFormat: 'qcow2' as const, file, sizeBytes: 5 * GiB };
  await assert.rejects(createOverlay(options), {
    name: 'InputError',
    message: 'a disk of 5 GB is smaller than its template (10 GB)',
    hint: 'ask for at least 10 GB',
  });
  assert.ok(!fs.existsSync(file));
});

test('an existing disk is never replaced', async () => {
  const file = path.join(folder, 'taken.qcow2');
  fs.writeFileSync(file, 'precious');
  const options = { backing, backingFormat: 'qcow2' as const, file, sizeBytes: 10 * GiB };
  await assert.rejects(createOverlay(options), ProvisionerError);
  assert.equal(fs.readFileSync(file, 'utf8'), 'precious');
});

test('what an image names below it is not read, in either format that can name something', async () => {
  for (const format of ['qcow2', 'vmdk']) {
    const at = (name: string): string => path.join(folder, `${name}.${format}`);
    await run('qemu-img', ['create', '-q', '-f', format, at('below'), '1M']);
    await run('qemu-io', ['-f', format, '-c', 'write -P 0x61 0 64k', at('below')]);
    const names = ['-f', format, '-F', format, '-b', at('below'), at('above')];
    await run('qemu-img', ['create', '-q', ...names]);
    const to = path.join(folder, `${format}-alone.qcow2`);
    await convertToQcow2({ from: at('above'), fromFormat: format, to });
    const { stdout } = await run('qemu-io', ['-c', 'read -P 0 0 64k', to]);
    assert.doesNotMatch(stdout, /Pattern verification failed/);
  }
});

test('what is converted has its name when it is on the disk', async () => {
  const calls: string[] = [];
  const note = (name: 'fsyncSync' | 'renameSync', of: (...args: never[]) => string): void => {
    const real = nodeFs[name] as (...args: never[]) => void;
    mock.method(nodeFs, name, (...args: never[]) => {
      calls.push(`${name} ${path.basename(of(...args))}`);
      real(...args);
    });
  };
  note('fsyncSync', (fd) => fs.readlinkSync(`/proc/self/fd/${fd}`));
  note('renameSync', (_, to) => to);
  syncBuiltinESMExports();
  try {
    await convertToQcow2({ from: backing, fromFormat: 'qcow2', to: path.join(folder, 'c.qcow2') });
  } finally {
    mock.restoreAll();
    syncBuiltinESMExports();
  }
  const [image = '', ...then] = calls;
  assert.match(image, /^fsyncSync .*c\.qcow2.+/);
  assert.deepEqual(then, ['renameSync c.qcow2', `fsyncSync ${path.basename(folder)}`]);
});

test('a raw image is converted as raw even when its content claims a backing file', async () => {
  const from = path.join(folder, 'evil.raw');
  await makeImageBackedByPasswd(from);
  fs.truncateSync(from, 1024 * 1024);
  const to = path.join(folder, 'tame.qcow2');
  await convertToQcow2({ from, fromFormat: 'raw', to });
  const info = await imageInfo(to);
  assert.equal(info.backingFile, undefined);
  assert.equal(info.virtualSize, 1024 * 1024);
});

test('paths that qemu-img would not take for files are refused', async () => {
  await assert.rejects(imageInfo('nbd:localhost:1'), InputError);
});
