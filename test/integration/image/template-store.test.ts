import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { NotFoundError, ProvisionerError } from '../../../src/errors.ts';
import { run } from '../../../src/host/exec.ts';
import { Paths } from '../../../src/host/paths.ts';
import { importImage } from '../../../src/image/import-image.ts';
import { imageInfo } from '../../../src/image/qcow2.ts';
import { withStaging } from '../../../src/image/staging.ts';
import { STAGING_NAME } from '../../../src/image/staging-name.ts';
import {
  currentTemplate,
  findTemplate,
  listTemplates,
  publishTemplate,
} from '../../../src/image/template-store.ts';
import { makeImageBackedByPasswd } from '../../support/backed-image.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'store-'));
after(() => fs.rmSync(folder, { recursive: true }));
let paths: Paths;
let count = 0;
beforeEach(() => {
  count += 1;
  paths = new Paths(path.join(folder, `state${count}`), path.join(folder, 'run'));
});

const facts = (digit: string) => ({
  label: 'debian-12',
  sha256: digit.repeat(64),
  virtualSize: 1024,
  source: { kind: 'bootstrap' as const, suite: 'bookworm', mirrors: [] },
  packages: [],
  defaultUser: 'admin',
  tuned: true,
});

function publish(digit: string, content: string, makeCurrent = true) {
  return withStaging(paths, async (directory) => {
    await fs.promises.writeFile(path.join(directory, 'disk.qcow2'), content);
    return publishTemplate(paths, directory, facts(digit), { makeCurrent });
  });
}

test('before the first build the message says what to run', () => {
  assert.throws(() => currentTemplate(paths), {
    name: 'NotFoundError',
    message: 'there is no template yet',
    hint: 'run blockhost-build-template',
  });
  assert.deepEqual(listTemplates(paths), []);
});

test('a published template is immutable, readable by all, current, and the staging area is empty', async () => {
  const template = await publish('a', 'one');
  assert.equal(template.id, 'debian-12-aaaaaaaaaaaa');
  assert.deepEqual(currentTemplate(paths), template);
  assert.equal(fs.statSync(template.image).mode & 0o777, 0o444);
  assert.equal(fs.statSync(path.dirname(template.image)).mode & 0o777, 0o755);
  assert.equal(fs.readlinkSync(paths.currentTemplate), template.id);
  assert.deepEqual(fs.readdirSync(paths.staging), []);
});

test('a rebuild moves current and leaves the old template alone; the same content is not replaced', async () => {
  const first = await publish('a', 'one');
  const inode = fs.statSync(first.image).ino;
  await publish('b', 'two');
  assert.equal(currentTemplate(paths).id, 'debian-12-bbbbbbbbbbbb');
  await publish('a', 'other bytes under the same id');
  assert.equal(fs.readFileSync(first.image, 'utf8'), 'one');
  assert.equal(fs.statSync(first.image).ino, inode);
  assert.equal(currentTemplate(paths).id, first.id);
  assert.deepEqual(fs.readdirSync(paths.staging), []);
});

test('names that are not there, or try a path, are refused; damage is listed', async () => {
  const { image } = await publish('a', 'one');
  for (const bad of ['debian-12-bbbbbbbbbbbb', '../templates', 'current'])
    assert.throws(() => findTemplate(paths, bad), NotFoundError);
  fs.rmSync(image);
  assert.throws(() => currentTemplate(paths), ProvisionerError);
  assert.match(listTemplates(paths)[0]?.damage ?? '', /disk\.qcow2 is missing/);
});

test('what a killed build left behind is removed by the next one, what a live one has is not', async () => {
  await withStaging(paths, async (live) => {
    assert.match(path.basename(live), STAGING_NAME);
    const [boot, namespace, pid, began] = path.basename(live).split('-');
    const at = (...words: unknown[]): string =>
      path.join(paths.staging, `${words.join('-')}-abcdef`);
    const dead = [at('00000000', namespace, pid, began), at(boot, namespace, pid, 1)];
    const elsewhere = at(boot, 1, pid, 1);
    for (const directory of [...dead, elsewhere])
      fs.mkdirSync(path.join(directory, 'rootfs'), { recursive: true });
    await withStaging(paths, () => Promise.resolve());
    for (const directory of dead) assert.ok(!fs.existsSync(directory), directory);
    assert.ok(fs.existsSync(live));
    assert.ok(fs.existsSync(elsewhere), 'that of another container');
    fs.rmSync(elsewhere, { recursive: true });
  });
});

test('an image of another format is imported once and known again by its content', async () => {
  const source = path.join(folder, 'foreign.vmdk');
  await run('qemu-img', ['create', '-q', '-f', 'vmdk', source, '64M']);
  const lines: string[] = [];
  const options = { defaultUser: 'admin', report: (line: string) => lines.push(line) };
  const first = await importImage(paths, source, options);
  assert.match(first.id, /^image-[0-9a-f]{12}$/);
  assert.equal((await imageInfo(first.image)).format, 'qcow2');
  const copy = path.join(folder, 'copy.vmdk');
  fs.copyFileSync(source, copy);
  assert.deepEqual(await importImage(paths, source, options), first);
  assert.deepEqual(await importImage(paths, copy, options), first);
  assert.equal(lines.length, 1);
  assert.throws(() => currentTemplate(paths), NotFoundError);
});

test('an image that names other files is refused and nothing is left', async () => {
  const evil = path.join(folder, 'evil.qcow2');
  await makeImageBackedByPasswd(evil);
  const options = { defaultUser: 'admin', report: () => {} };
  await assert.rejects(importImage(paths, evil, options), /depends on a backing file/);
  assert.deepEqual(listTemplates(paths), []);
});
