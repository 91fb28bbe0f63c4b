import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { currentTemplate } from '../../../src/image/template-store.ts';
import { guestPackage } from '../../support/blockhost/guest-package.ts';
import { blockhostFiles, PACKAGE, readDatabase } from '../../support/blockhost/host.ts';
import {
  complaintsOf,
  fieldsOf,
  type SetupSeen,
  setupCommand,
} from '../../support/blockhost/setup.ts';
import { Namespace } from '../../support/namespace.ts';
import { programFile, projectRoot } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

// Setup from the page to a VM that runs, with a template that is really built: minutes without KVM.

// The form refuses to keep disks in /tmp and /var/tmp.
process.env.TMPDIR = '/srv';
const WALLET = `0x${'aB'.repeat(20)}`;
const namespace = await Namespace.make({ after }, '192.0.2.1/24');
const files = blockhostFiles({ after });
const root = path.dirname(files.etc);
const sandbox = await Sandbox.make(
  { after },
  { store: 'blockhost', blockhost_dir: files.etc, front_user: 'nobody', ready_timeout: 900 },
);
let seen: SetupSeen;

before(() => {
  prepareHost();
  const order = {
    state: path.join(root, 'setup-state.json'),
    refused: [{ bridge: 'br9', ip_start: '0', gateway: '203.0.113.1' }],
    form: { ip_start: '192.0.2.20', ip_end: '29', gc_grace_days: '3' },
    places: {
      'db_yaml.CONFIG_DIR': files.etc,
      'db_yaml.DATABASE': files.database,
      'form.DEFAULT_STORAGE': sandbox.state,
      'storage.DEFAULT_STORAGE': sandbox.state,
      'template_build.PACKAGES': path.join(root, 'packages'),
      'template_build.COMMAND': buildCommand(),
    },
  };
  const [command = '', ...args] = [...namespace.prefix, ...setupCommand()];
  const out = execFileSync(command, args, {
    input: JSON.stringify(order),
    encoding: 'utf8',
    maxBuffer: 1e8,
    stdio: 'pipe',
    env: { ...process.env, ...sandbox.env, PYTHONPATH: path.join(projectRoot(), 'python') },
  });
  seen = JSON.parse(out);
});

test('the page shows what the host has, refuses what is wrong, and leads on', () => {
  assert.equal(seen.stranger.location, '/login');
  const { bridge, ip_network, gateway } = fieldsOf(seen.page);
  assert.deepEqual([bridge, ip_network, gateway], ['br0', '192.0.2.0/24', '192.0.2.1']);
  const [refused] = seen.refused;
  assert.ok(refused);
  assert.deepEqual(Object.keys(complaintsOf(refused)), ['bridge', 'ip_start', 'gateway']);
  assert.equal(seen.accepted.location, '/wizard/connectivity');
  assert.match(seen.summary.text, /192\.0\.2\.0\/24, \.20 to \.29/);
});

test('the steps are done, the template is really built, and its progress was to be seen', () => {
  assert.deepEqual(
    Object.entries(seen.steps).map(([name, { status, error }]) => [name, status, error]),
    ['storage', 'network', 'db_config', 'template'].map((name) => [name, 'completed', null]),
  );
  const { manifest } = currentTemplate(sandbox.config.paths);
  assert.deepEqual(manifest.packages, ['blockhost-setup 1.2.3']);
  assert.equal(manifest.source.kind, 'bootstrap');
  assert.ok(seen.progress.length >= 3, seen.progress.join('\n'));
  assert.equal(seen.progress.at(-1), 'done');
});

test('create works with what the wizard wrote', async () => {
  const settings = path.join(files.etc, 'db.yaml');
  assert.equal(fs.statSync(settings).mode & 0o777, 0o640);
  // There is no group blockhost here, which the step would have given it to.
  fs.chownSync(settings, 0, 65_534);
  const options = { prefix: namespace.prefix, env: { PYTHONPATH: PACKAGE }, limitMs: 900_000 };
  const size = ['--memory', '512', '--disk', '5'];
  await sandbox.ok('create', ['web1', '--owner-wallet', WALLET, ...size, '--apply'], options);
  const said = await sandbox.ok(
    'guest-exec',
    ['web1', 'id -u admin; dpkg -s blockhost-setup | grep ^Version'],
    options,
  );
  assert.equal(said, '1000\nVersion: 1.2.3\n');
  const record = readDatabase(files).vms.web1;
  assert.deepEqual([record?.ip_address, record?.status], ['192.0.2.20', 'active']);
  await sandbox.ok('destroy', ['web1'], options);
});

function prepareHost(): void {
  for (const folder of ['run', 'share', 'packages', 'etc/network-modes.enabled']) {
    fs.mkdirSync(path.join(root, folder), { recursive: true });
  }
  fs.writeFileSync(path.join(files.etc, 'network-modes.enabled', 'none.json'), '{"name":"none"}');
  fs.rmSync(path.join(files.etc, 'db.yaml'));
  fs.chownSync(path.dirname(files.database), 65_534, 65_534);
  guestPackage(path.join(root, 'packages'));
}

/** The program itself, out of the namespace since it needs Debian's mirrors, and with packages of ours. */
function buildCommand(): string {
  const file = path.join(root, 'build-template');
  const program = programFile('blockhost-build-template');
  const out = `nsenter --net=/proc/${process.pid}/ns/net env PYTHONPATH=${PACKAGE}`;
  const script = `#!/bin/sh\nexec ${out} ${program} --packages ${root}/packages "$@"\n`;
  fs.writeFileSync(file, script, { mode: 0o755 });
  return file;
}
