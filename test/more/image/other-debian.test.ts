import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import { defaultSuite, SUITES, type Suite } from '../../../src/image/debian-mirrors.ts';
import { debianTemplate } from '../../support/debian-template.ts';
import { Sandbox } from '../../support/sandbox.ts';

// The Debian this host does not run, which `build-template --suite` makes a template of.

const sandbox = await Sandbox.make({ after });
const suite = Object.keys(SUITES).find((name) => name !== defaultSuite()) as Suite;
const sh = async (command: string): Promise<string> =>
  (await sandbox.ok('guest-exec', ['web1', command])).trimEnd();

before(async () => {
  const { paths } = await debianTemplate({ suite });
  fs.mkdirSync(sandbox.state, { recursive: true });
  await run('cp', ['-a', paths.templates, sandbox.config.paths.templates]);
});

test('it becomes ready, by the short initramfs, and grows to its disk', async () => {
  await sandbox.ok('create', ['web1', '--memory', '512', '--disk', '6', '--apply']);
  assert.match(await sh('cat /etc/os-release'), new RegExp(`VERSION_CODENAME=${suite}`));
  // That of initramfs-tools is ten times as large.
  assert.ok(Number(await sh('stat -Lc %s /boot/initrd.img-$(uname -r)')) < 4e6);
  const grown = async (): Promise<true | undefined> =>
    Number(await sh('df --output=size -BM / | tail -1 | tr -dc 0-9')) > 5500 ? true : undefined;
  assert.ok(await poll(grown, { deadlineMs: 120_000, everyMs: 1000 }), 'the disk did not grow');
});
