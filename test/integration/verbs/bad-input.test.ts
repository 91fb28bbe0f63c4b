import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { InputError } from '../../../src/errors.ts';
import { parseVmName } from '../../../src/types.ts';
import { createWithFault, faultsOf, messageOfFault, tinySpec } from '../../support/faults.ts';
import { leftovers, listing } from '../../support/leftovers.ts';
import { type Finished, programFile, Running } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after }, { accel: 'tcg' });
const folder = path.dirname(sandbox.state);
const at = (name: string): string => path.join(folder, name);

fs.writeFileSync(at('text'), 'no image\n'.repeat(200));
fs.writeFileSync(at('empty'), '');
fs.writeFileSync(at('large'), 'x'.repeat(1024 * 1024 + 1));
fs.writeFileSync(at('garbage.pub'), 'ssh-ed25519\nrm -rf /\n');
for (const args of [
  ['-f', 'qcow2', at('big.qcow2'), '3G'],
  ['-f', 'qcow2', '-F', 'qcow2', '-b', 'big.qcow2', at('backed.qcow2')],
  ['-f', 'qcow2', '-F', 'raw', '-b', '/etc/shadow', at('shadow.qcow2'), '1G'],
])
  execFileSync('qemu-img', ['create', '-q', ...args]);

/** The failure of a command: nothing on stdout, one line on stderr, no stack trace, exit code 1. */
function oneLine({ code, stdout, stderr }: Finished, pattern: RegExp): void {
  assert.deepEqual([code, stdout], [1, ''], stderr);
  assert.match(stderr, /^blockhost-[a-z-]+: [^\n]+\n$/);
  assert.doesNotMatch(stderr, /internal error|\bat \S+:\d+|Error:/);
  assert.match(stderr, pattern);
}

const NAME = /is not a valid VM name; use 1 to 64 letters/;
const create =
  (...args: string[]) =>
  (): string[] => ['create', 'web1', ...sandbox.tiny, '--apply', ...args];

type Row = [string[] | (() => string[]), RegExp];
const ROWS: Row[] = [
  [['create'], /missing required argument 'name'; see blockhost-vm-create --help/],
  [['create', '', '--apply'], NAME],
  [['create', '../../etc', '--apply'], NAME],
  [['create', '/etc/passwd', '--apply'], NAME],
  [['create', '.hidden', '--apply'], NAME],
  [['create', 'a b', '--apply'], NAME],
  [['create', 'web1\n', '--apply'], /"web1\\n" is not a valid VM name/],
  [['create', 'web1\u001b[2J', '--apply'], /"web1\\u001b\[2J" is not/],
  [['create', 'wéb', '--apply'], NAME],
  [['create', 'x'.repeat(65), '--apply'], NAME],
  [['create', 'a,b', '--apply'], NAME],
  [['create', '-x', '--apply'], /unknown option '-x'/],
  [['create', 'a', 'b', '--apply'], /too many arguments/],
  [['create', 'web1', '--apply'], /there is no template yet; run blockhost-build-template/],
  [['create', 'web1'], /there is no template yet/],
  [create('--bogus'), /unknown option '--bogus'/],
  [create('--cpu', '0'), /--cpu 0 is out of range; use a whole number from 1 to \d+/],
  [create('--cpu', '4096'), /--cpu 4096 is out of range/],
  [create('--cpu', '1.5'), /'--cpu <count>' argument '1\.5' is invalid/],
  [create('--cpu', 'two'), /'two' is invalid/],
  [create('--cpu'), /argument missing/],
  [create('--memory', '1'), /--memory 1 is out of range/],
  [create('--memory', '999999999'), /--memory 999999999 is out of range.*this host has \d+ MB/],
  [create('--memory', '-128'), /argument '-128' is invalid/],
  [create('--disk', '0'), /--disk 0 is out of range/],
  [create('--disk', '99999'), /--disk 99999 is out of range/],
  [create('--disk', '1e3'), /'1e3' is invalid/],
  [create('--expiry-days', '99999'), /--expiry-days 99999 is out of range/],
  [['resume', 'web1', '--extend-days', '99999'], /--extend-days 99999 is out of range/],
  [create('--expiry-days', '-1'), /is invalid/],
  [create('--username', 'Root'), /"Root" is not a valid user name/],
  [create('--username', 'a;reboot'), /is not a valid user name/],
  [create('--username', ''), /"" is not a valid user name/],
  [create('--owner-wallet', '0x:1'), /"0x:1" is not a valid wallet address/],
  [create('--owner-wallet', '0x1\nusers: []'), /"0x1\\nusers: \[\]" is not a valid wallet/],
  [create('--owner-wallet', 'a'.repeat(129)), /is not a valid wallet address/],
  [create('--nft-token-id', 'a b'), /"a b" is not a valid NFT token id/],
  [
    create('--network', 'carrier-pigeon'),
    /'--network <mode>' argument 'carrier-pigeon' is invalid/,
  ],
  [create('--network', 'bridge'), /bridge networking needs (a bridge|root)/],
  [create('--network', 'user', '--bridge', 'br0'), /--bridge does not go with --network user/],
  [create('--bridge', 'no-such-br'), /no-such-br does not exist|needs root/],
  [create('--bridge', '../../tmp'), /"\.\.\/\.\.\/tmp" is not a valid name of a bridge/],
  [create('--image', '/no/such/file'), /there is no file \/no\/such\/file/],
  [create('--image', ''), /there is no file|is not a/],
  [() => create('--image', folder)(), /is not a regular file/],
  [() => create('--image', at('text'))(), /text is not a disk image/],
  [() => create('--image', at('empty'))(), /empty is not a disk image/],
  [() => create('--image', at('backed.qcow2'))(), /depends on a backing file/],
  [() => create('--image', at('shadow.qcow2'))(), /depends on a backing file/],
  [
    () => create('--image', at('big.qcow2'))(),
    /--disk 1 is smaller than the image, which needs 3 GB; use --disk 3 or more/,
  ],
  [['create', 'web1', '--template', 'nope', '--apply'], /there is no template "nope"/],
  [
    ['create', 'web1', '--template', '../../etc', '--apply'],
    /there is no template "\.\.\/\.\.\/etc"/,
  ],
  [create('--ssh-key', '/no/such.pub'), /the SSH key file "\/no\/such\.pub" cannot be read/],
  [() => create('--ssh-key', folder)(), /the SSH key file \S+ is not a file/],
  [create('--ssh-key', '/proc/self/mem'), /the SSH key file \S+ cannot be read: EIO/],
  [['restore', '/proc/self/mem', 'web9'], /"\/proc\/self\/mem" cannot be read: EIO/],
  [create('--image', '/proc/self/mem'), /\/proc\/self\/mem cannot be read: EIO/],
  [create('--ssh-key', '/dev/zero'), /the SSH key file \S+ is not a file/],
  [() => ['restore', folder, 'web9'], /is a folder, not a backup/],
  [['metrics', '--all', '--textfile', '/no/such/x.prom'], /\/no\/such\/x\.prom cannot be written/],
  [() => create('--ssh-key', at('empty'))(), /the SSH key file \S+ holds no key/],
  [() => create('--ssh-key', at('garbage.pub'))(), /is not an SSH public key/],
  [create('--cloud-init-content', '/no/such'), /cloud-init content "\/no\/such" cannot be read/],
  [() => create('--cloud-init-content', folder)(), /is not a file/],
  [() => create('--cloud-init-content', at('large'))(), /is larger than 1 MiB/],
  [['destroy'], /missing required argument/],
  [['destroy', '..'], NAME],
  [['destroy', 'a', 'b'], /too many arguments/],
  [['destroy', 'web1', '--force'], /unknown option '--force'/],
  [['start', 'web1'], /VM web1 does not exist; blockhost-qemu list shows those that do/],
  [['start', 'web1/../web2'], NAME],
  [['stop', 'web1'], /VM web1 does not exist/],
  [['stop', 'web1', '--timeout', '46'], /--timeout 46 is out of range; use 0 to 45 seconds/],
  [['stop', 'web1', '--timeout', '-1'], /is invalid/],
  [['stop', 'web1', '--timeout', 'soon'], /is invalid/],
  [['kill', 'web1'], /VM web1 does not exist/],
  [['kill'], /missing required argument/],
  [['metrics'], /missing required argument/],
  [['metrics', 'web1'], /VM web1 does not exist/],
  [['metrics', '*'], NAME],
  [['guest-exec'], /missing required argument/],
  [['guest-exec', 'web1'], /missing required argument 'command'/],
  [['guest-exec', 'web1', 'true'], /VM web1 does not exist/],
  [['guest-exec', '$(reboot)', 'true'], NAME],
  [['guest-exec', '--timeout', '1h', 'web1', 'true'], /is invalid/],
  [['update-gecos'], /required option '--nft-id <id>' not specified/],
  [['update-gecos', 'web1', '0x1'], /required option '--nft-id <id>' not specified/],
  [['update-gecos', 'web1', '0x1', '--nft-id', '1'], /VM web1 does not exist/],
  [['update-gecos', 'web1', 'a:b', '--nft-id', '1'], /"a:b" is not a valid wallet address/],
  [['list', '--format', 'xml'], /'--format <format>' argument 'xml' is invalid/],
  [['list', 'web1'], /too many arguments/],
];

test(`${ROWS.length} wrong invocations: one line each, and nothing is changed`, async () => {
  const before = listing(folder);
  // Some at a time: most of the time of each is Node's start.
  for (let i = 0; i < ROWS.length; i += 4) {
    await Promise.all(
      ROWS.slice(i, i + 4).map(async ([row, pattern]) => {
        const [verb = '', ...args] = typeof row === 'function' ? row() : row;
        oneLine(await sandbox.run(verb, args), pattern);
      }),
    );
  }
  // The state directory may have been made, but nothing in it.
  assert.deepEqual(
    listing(folder).filter((line) => !/^s(\/locks)? /.test(line)),
    before,
  );
});

test('verbs that only look, and destroy, take a VM that does not exist for what it is', async () => {
  assert.equal((await sandbox.run('status', ['--bogus'])).stdout, 'unknown\n');
  assert.equal((await sandbox.run('status', ['web1', 'web2'])).stdout, 'unknown\n');
  assert.equal((await sandbox.run('status', ['-x'])).code, 0);
  assert.equal(await sandbox.ok('destroy', ['web1']), 'VM web1 does not exist: nothing to do\n');
});

test('a name with a NUL cannot come by a command line, and is refused elsewhere', () => {
  assert.throws(() => parseVmName('web1\0'), InputError);
  assert.throws(() => parseVmName(undefined), InputError);
});

test('an unknown verb, and none', async () => {
  const file = programFile('blockhost-qemu');
  const unknown = await new Running([file, 'exp\nlode']).done;
  assert.deepEqual([unknown.code, unknown.stdout], [1, '']);
  assert.equal(
    unknown.stderr,
    'blockhost-qemu: there is no verb exp?lode; blockhost-qemu --help lists them\n',
  );
  for (const args of [[], ['--help'], ['help', 'create'], ['create', '--help'], ['--version']]) {
    const { code, stdout, stderr } = await new Running([file, ...args]).done;
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /blockhost-qemu/);
  }
});

test('a result that cannot be written is told, in one line, and is a failure', async () => {
  for (const [verb, ...args] of [
    ['list'],
    ['status', 'web1'],
    ['create', '--help'],
    ['destroy', 'web1'],
    ['backup', '--help'],
  ]) {
    const command = [programFile(`blockhost-vm-${verb}`), ...args].join(' ');
    const shell = ['sh', '-c', `${command} >/dev/full`];
    const { code, stderr } = await new Running(shell, { env: sandbox.env }).done;
    assert.equal(code, 1, command);
    assert.match(stderr, /^blockhost-[a-z-]+: stdout cannot be written: ENOSPC[^\n]*\n$/, command);
  }
});

test('a damaged record file: every verb that needs it names it, and leaves it alone', async () => {
  const own = await Sandbox.make({ after }, { accel: 'tcg' });
  fs.mkdirSync(own.state);
  const { records } = own.config.paths;
  for (const content of ['{"vms": {', '{"vms": [], "next_vmid": 100}', 'null']) {
    fs.writeFileSync(records, content);
    for (const args of [
      ['create', 'web1', ...own.tiny],
      ['create', 'web1', ...own.tiny, '--apply'],
      ['destroy', 'web1'],
      ['update-gecos', 'web1', '0x1', '--nft-id', '1'],
    ]) {
      const [verb = '', ...rest] = args;
      oneLine(await own.run(verb, rest), /vms\.json is damaged: .*; restore it from a backup/);
    }
    assert.equal(fs.readFileSync(records, 'utf8'), content);
  }
});

test('settings that are wrong are named, by file and key', async () => {
  const file = at('config.yaml');
  const env = { BLOCKHOST_QEMU_CONFIG: file };
  for (const [content, pattern] of [
    [undefined, /the configuration file \S+config\.yaml does not exist/],
    ['network: [', /config\.yaml is not valid YAML/],
    ['- 1', /config\.yaml: /],
    ['netwrok: user', /config\.yaml: .*netwrok/],
    ['network: pigeon', /config\.yaml: network should be user or bridge, found "pigeon"/],
    ['state_dir: here', /config\.yaml: state_dir /],
    ['ready_timeout: soon', /config\.yaml: ready_timeout /],
  ] as const) {
    if (content !== undefined) fs.writeFileSync(file, content);
    oneLine(await sandbox.run('start', ['web1'], { env }), pattern);
  }
  const relative = { BLOCKHOST_QEMU_STATE_DIR: 'here' };
  oneLine(await sandbox.run('start', ['web1'], { env: relative }), /here is not an absolute path/);
});

test('a template is built of packages, and from an image, that are there', async () => {
  const pipe = at('pipe');
  execFileSync('mkfifo', [pipe]);
  for (const [args, pattern] of [
    [['--packages', '/no/such'], /folder of packages "\/no\/such" does not exist, or is no folder/],
    [['--packages', at('large')], /folder of packages \S+ does not exist, or is no folder/],
    [['--cloud-image', pipe, '--checksum', `sha512:${'0'.repeat(128)}`], /pipe is not a file/],
  ] as const) {
    const argv = [programFile('blockhost-build-template'), ...args];
    const { code, stdout, stderr } = await new Running(argv, { env: sandbox.env }).done;
    assert.deepEqual([code, stdout], [1, ''], stderr);
    assert.match(stderr.trimEnd().split('\n').at(-1) ?? '', pattern);
  }
});

test('status and list answer all the same when settings are wrong', async () => {
  const file = at('config.yaml');
  fs.writeFileSync(file, 'netwrok: user');
  const env = { BLOCKHOST_QEMU_CONFIG: file };
  for (const [verb, args, answer] of [
    ['status', ['web1'], 'unknown\n'],
    ['list', ['--format', 'json'], '[]\n'],
    ['list', ['--format', 'names'], ''],
    ['list', [], 'NAME\tSTATUS\tIP\tCREATED\n'],
  ] as const) {
    const { code, stdout, stderr } = await sandbox.run(verb, args, { env });
    assert.deepEqual([code, stdout], [0, answer]);
    assert.match(stderr, /config\.yaml: .*netwrok/);
  }
});

test('a state directory that cannot be used is named', async () => {
  const env = { BLOCKHOST_QEMU_STATE_DIR: at('text') };
  for (const [verb, ...args] of [
    ['create', 'web1', ...sandbox.tiny, '--apply'],
    ['stop', 'web1'],
  ] as const)
    oneLine(
      await sandbox.run(verb ?? '', args, { env }),
      /text is not a directory; run the command as root/,
    );
  const deep = { BLOCKHOST_QEMU_STATE_DIR: at('x'.repeat(90)) };
  oneLine(
    await sandbox.run('create', ['web1', ...sandbox.tiny, '--apply'], { env: deep }),
    /bytes too long for a Unix socket; use a shorter VM name/,
  );
});

test('a QEMU that cannot be started, or dies at its start: its words are told, nothing is left', async () => {
  const script = at('broken-qemu');
  fs.writeFileSync(
    script,
    '#!/bin/sh\necho "first line" >&2\necho "no room on this device" >&2\nexit 1\n',
  );
  const silent = at('silent-qemu');
  fs.writeFileSync(silent, '#!/bin/sh\nexit 1\n');
  for (const file of [script, silent]) fs.chmodSync(file, 0o755);
  for (const [binary, pattern] of [
    [
      '/no/such/qemu',
      /\/no\/such\/qemu is not installed; install qemu-system-x86, or set qemu_bin/,
    ],
    ['no-such-qemu', /no-such-qemu is not installed; install/],
    [at('text'), /text cannot be executed; install/],
    [script, /VM web1: QEMU .*: no room on this device/],
    [silent, /VM web1: QEMU .*said nothing/],
  ] as const) {
    const own = await sandbox.sibling({ accel: 'tcg', qemu_binary: binary });
    const { code, stdout, stderr } = await own.run('create', ['web1', ...own.tiny, '--apply']);
    assert.deepEqual([code, stdout], [1, '']);
    const last = stderr.trimEnd().split('\n').at(-1) ?? '';
    assert.match(last, /^blockhost-vm-create: /);
    assert.match(last, pattern);
    assert.doesNotMatch(last, /internal error/);
    assert.deepEqual(await leftovers(own.config.paths), []);
  }
});

test('without QEMU nothing is made first: no template, no disk, no state', async () => {
  const own = await sandbox.with({ qemu_binary: 'no-such-qemu' });
  const missing = /no-such-qemu is not installed; install qemu-system-x86/;
  const before = listing(own.state);
  for (const more of [[], ['--apply']])
    oneLine(await own.run('create', ['web1', ...own.tiny, ...more]), missing);
  const built = await new Running([programFile('blockhost-build-template')], { env: own.env }).done;
  oneLine(built, missing);
  assert.deepEqual(listing(own.state), before);
});

test('ten creates at once, each failing at another step, leave nothing; their numbers differ', async () => {
  const own = await sandbox.sibling({ accel: 'tcg' });
  const faults = faultsOf(
    [
      { name: 'directory' },
      { name: 'disk' },
      { name: 'seed' },
      { name: 'QEMU' },
      { name: 'guest' },
    ],
    'throw',
  );
  assert.equal(faults.length, 10);
  const ends = await Promise.all(
    faults.map(({ step, phase }, i) =>
      createWithFault(own.host(), tinySpec(own.image, `p${i}`), { step, phase, how: 'throw' }),
    ),
  );
  assert.deepEqual(ends, faults.map(messageOfFault));
  assert.deepEqual(await leftovers(own.config.paths), []);
  const { next_vmid } = JSON.parse(fs.readFileSync(own.config.paths.records, 'utf8'));
  assert.equal(next_vmid, 110);
});

test('ten destroys at once of VMs that are half there', async () => {
  const own = await sandbox.sibling();
  const names = Array.from({ length: 10 }, (_, i) => `h${i}`);
  for (const name of names) {
    await own.host().store.allocate(parseVmName(name), undefined);
    fs.mkdirSync(own.files(name).directory, { recursive: true });
  }
  await Promise.all(names.map((name) => own.ok('destroy', [name])));
  assert.deepEqual(await leftovers(own.config.paths), []);
});
