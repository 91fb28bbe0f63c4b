import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { InputError } from '../../../src/errors.ts';
import { loadConfig } from '../../../src/host/config.ts';
import { Paths } from '../../../src/host/paths.ts';
import { parseVmName } from '../../../src/types.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

test('without a file everything has a default', async () => {
  const { settings, paths } = await loadConfig({ BLOCKHOST_QEMU_STATE_DIR: '/x/state' });
  assert.equal(settings.runner, 'auto');
  assert.equal(settings.network, 'user');
  assert.equal(settings.ready_timeout, 180);
  assert.equal(paths.state, '/x/state');
  assert.equal(paths.run, '/x/state/run');
});

test('the environment goes before the file', async (t) => {
  const file = write(t, 'state_dir: /from/file\nrun_dir: /r\naccel: tcg\n');
  const { settings, paths } = await loadConfig({
    BLOCKHOST_QEMU_CONFIG: file,
    BLOCKHOST_QEMU_STATE_DIR: '/env',
  });
  assert.equal(paths.state, '/env');
  assert.equal(paths.run, '/r');
  assert.equal(settings.accel, 'tcg');
});

test('a wrong file is named with its key', async (t) => {
  const cases: [string, RegExp][] = [
    ['runner: docker\n', /runner/],
    ['unknown_key: 1\n', /unknown_key/],
    ['state_dir: relative\n', /state_dir/],
    ['bridge: "br0;reboot"\n', /bridge/],
    ['ip_pool: {network: 10.0.0.0/24}\n', /ip_pool/],
    ['a: [\n', /not valid YAML/],
    ['- 1\n', /should be an object, found an array/],
  ];
  for (const [content, expected] of cases) {
    const file = write(t, content);
    await assert.rejects(
      loadConfig({ BLOCKHOST_QEMU_CONFIG: file }),
      (error: unknown) =>
        error instanceof InputError &&
        error.message.startsWith(file) &&
        expected.test(error.message) &&
        !error.message.includes('\n'),
      content,
    );
  }
  await assert.rejects(loadConfig({ BLOCKHOST_QEMU_CONFIG: '/does/not/exist' }), /does not exist/);
});

test('a run directory too deep for a socket is refused with what to do', () => {
  const name = parseVmName('x'.repeat(64));
  assert.throws(() => new Paths('/s', `/${'d'.repeat(60)}`).vm(name), /too long for a Unix socket/);
  assert.ok(Buffer.byteLength(new Paths('/s', '/run/blockhost-qemu').vm(name).console) <= 107);
});

function write(t: Parameters<typeof temporaryDirectory>[0], content: string): string {
  const file = path.join(temporaryDirectory(t), 'config.yaml');
  fs.writeFileSync(file, content);
  return file;
}
