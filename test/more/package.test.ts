import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, test } from 'node:test';
import * as z from 'zod/mini';
import { buildPackage } from '../support/package.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const directory = temporaryDirectory({ after });
const deb = buildPackage(directory);
const root = path.join(directory, 'installed');
execFileSync('dpkg-deb', ['-x', deb, root]);

const file = (name: string): string => path.join(root, name);
const read = (name: string): string => fs.readFileSync(file(name), 'utf8');

const VERBS = [
  'create',
  'destroy',
  'start',
  'stop',
  'kill',
  'status',
  'list',
  'metrics',
  'throttle',
  'build-template',
  'gc',
  'resume',
  'update-gecos',
  'guest-exec',
] as const;

const Manifest = z.object({
  name: z.literal('qemu'),
  version: z.string().check(z.regex(/^\d+\.\d+\.\d+$/)),
  display_name: z.string().check(z.regex(/^\S+/)),
  accent_color: z.string().check(z.regex(/^#[0-9a-f]{6}$/)),
  commands: z.record(z.enum(VERBS), z.string()),
  setup: z.object({
    first_boot_hook: z.string(),
    detect: z.string(),
    wizard_module: z.string(),
    finalization_steps: z.array(z.string()),
  }),
  root_agent_actions: z.string(),
  config_keys: z.object({
    session_key: z.literal('qemu'),
    provisioner_config: z.array(z.string()),
  }),
  admin: z.object({ module: z.string() }),
});
const manifest = z.parse(Manifest, JSON.parse(read('usr/share/blockhost/provisioner.json')));

test('the package has the name that consumers look for, and the version of the program', () => {
  assert.match(path.basename(deb), /^blockhost-provisioner-qemu_[^_]+_all\.deb$/);
  const version = execFileSync('dpkg-deb', ['-f', deb, 'Version'], { encoding: 'utf8' }).trim();
  const { version: own } = JSON.parse(fs.readFileSync('package.json', 'utf8'));
  assert.equal(version, own);
  assert.equal(manifest.version, own);
});

test('the manifest names all verbs, and every command is there and says what it does', () => {
  assert.deepEqual(Object.keys(manifest.commands).sort(), [...VERBS].sort());
  for (const command of [...Object.values(manifest.commands), manifest.setup.detect]) {
    assert.ok(fs.lstatSync(file(`usr/bin/${command}`)), command);
    assert.ok(fs.existsSync(file(`usr/share/man/man1/${command}.1.gz`)), `man page of ${command}`);
  }
  for (const command of fs.readdirSync(file('usr/bin'))) {
    const lib = file(`usr/lib/blockhost-provisioner-qemu/bin/${command}`);
    if (!fs.existsSync(lib)) continue;
    const { status, stdout } = spawnSync(process.execPath, [lib, '--help'], { encoding: 'utf8' });
    assert.equal(status, 0, command);
    assert.match(stdout, /^Usage: /, command);
  }
});

test('hook, root agent’s actions and units lie where BlockHost looks for them', () => {
  assert.ok(fs.statSync(file(manifest.setup.first_boot_hook)).mode & 0o111);
  assert.ok(fs.existsSync(file(manifest.root_agent_actions)));
  const units = ['lib', 'usr/lib'].map((folder) => file(`${folder}/systemd/system`));
  for (const unit of [
    ...['blockhost-gc.timer', 'blockhost-gc.service'],
    ...['blockhost-qemu-restart.path', 'blockhost-qemu-restart.service'],
  ]) {
    assert.ok(
      units.some((folder) => fs.existsSync(path.join(folder, unit))),
      unit,
    );
  }
  assert.equal(fs.existsSync(file('usr/lib/python3/dist-packages/blockhost/__init__.py')), false);
});

test('the modules of the manifest export what installer and admin panel call', () => {
  const script = `
import importlib, json
wizard = importlib.import_module(${JSON.stringify(manifest.setup.wizard_module)})
admin = importlib.import_module(${JSON.stringify(manifest.admin.module)})
print(json.dumps({
  "steps": [step[0] for step in wizard.get_finalization_steps()],
  "blueprints": [wizard.blueprint.name, admin.blueprint.name],
  "view": wizard.wizard_qemu.__name__,
  "pages": [page["path"] for page in admin.PAGES],
  "template": wizard.get_summary_template(),
}))`;
  const said = JSON.parse(
    execFileSync('/usr/bin/python3', ['-B', '-c', script], {
      encoding: 'utf8',
      env: { ...process.env, PYTHONPATH: file('usr/lib/python3/dist-packages') },
    }),
  );
  assert.deepEqual(said.steps, manifest.setup.finalization_steps);
  assert.deepEqual(said.blueprints, ['provisioner_qemu', 'qemu_admin']);
  assert.equal(said.view, `wizard_${manifest.name}`);
  assert.deepEqual(said.pages, ['/qemu']);
  const templates = 'usr/lib/python3/dist-packages/blockhost/provisioner_qemu/templates';
  assert.ok(fs.existsSync(file(`${templates}/${said.template}`)));
});

test('Node is no dependency, and the launcher says in a line that it is missing', () => {
  const depends = execFileSync('dpkg-deb', ['-f', deb, 'Depends'], { encoding: 'utf8' });
  assert.doesNotMatch(depends, /nodejs/);
  for (const script of ['preinst', 'postinst', 'prerm', 'postrm']) {
    const text = execFileSync('dpkg-deb', ['--ctrl-tarfile', deb]);
    const body = execFileSync('tar', ['-xO', `./${script}`], { input: text, encoding: 'utf8' });
    assert.doesNotMatch(body, /\bnode\b/, script);
  }
  const launcher = fs
    .readFileSync(file('usr/lib/blockhost-provisioner-qemu/launcher'), 'utf8')
    .replaceAll(/\/usr(\/local)?\/bin\/node/g, '/nowhere/node');
  const copy = path.join(directory, 'blockhost-vm-list');
  fs.writeFileSync(copy, launcher, { mode: 0o755 });
  const { status, stdout, stderr } = spawnSync(copy, [], {
    env: { PATH: '/nowhere' },
    encoding: 'utf8',
  });
  assert.equal(status, 1);
  assert.equal(stdout, '');
  assert.match(
    stderr,
    /^blockhost-vm-list: Node is not installed; install Node 20 or later[^\n]*\n$/,
  );
});

test('a Node that is too old is told in a line, too', () => {
  const old = path.join(directory, 'old.cjs');
  fs.writeFileSync(
    old,
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.19.0' } });",
  );
  const list = file('usr/lib/blockhost-provisioner-qemu/bin/blockhost-vm-list');
  const { status, stderr } = spawnSync(process.execPath, ['-r', old, list], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /^blockhost-qemu: Node 18\.19\.0 is too old; install Node 20 or later\n$/);
});

test('lintian finds no error and no warning', () => {
  const { stdout, status } = spawnSync('lintian', ['--fail-on', 'error,warning', deb], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout);
});

test('nothing that Python compiled, and nothing of the tests, is in it', () => {
  const all = fs.readdirSync(root, { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    all.filter((name) => /__pycache__|\.pyc$|\.test\.|node_modules/.test(name)),
    [],
  );
});
