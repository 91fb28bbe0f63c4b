import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { isRunning, readProcessStat } from '../../../src/host/process.ts';
import { runningIncarnation } from '../../../src/store/incarnation.ts';
import { ENGINES } from '../../support/blockhost/engine-parsers.ts';
import { leftovers, listing } from '../../support/leftovers.ts';
import type { Finished } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const SENTINEL = 'BLOCKHOST_RESULT: ';
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0rrPQx0n0bHkm3hMZx9m7r1v4bMDmM2bqWyyJHkG2x a@b';
const CONTENT = `#!/bin/sh
echo 'secret of the content' >/run/content
echo 'bob:x:1000:1000:made by content:/:/bin/sh' >>/etc/passwd
`;

const sandbox = await Sandbox.make({ after });
let plain: Finished;
let rival: Finished;
let withContent: Finished;

before(async () => {
  const folder = path.dirname(sandbox.state);
  fs.writeFileSync(path.join(folder, 'key.pub'), `# a comment\n${KEY}\n\n`);
  fs.writeFileSync(path.join(folder, 'content'), CONTENT);
  const options = ['--owner-wallet', '0xAbC1', '--nft-token-id', '7', '--expiry-days', '3'];
  // One first, so that the numbers are known; it imports the image for both.
  const first = sandbox.begin('create', [
    ...['web1', ...sandbox.tiny, '--apply', ...options],
    ...['--ssh-key', path.join(folder, 'key.pub')],
  ]);
  await first.says(/QEMU runs/);
  rival = await sandbox.run('create', ['web1', ...sandbox.tiny, '--apply']);
  const second = sandbox.begin('create', [
    ...['Web_2.x', ...sandbox.tiny, '--apply', '--username', 'bob'],
    ...['--cloud-init-content', path.join(folder, 'content')],
  ]);
  [plain, withContent] = await Promise.all([first.done, second.done]);
});

test('create prints two lines, byte for byte, and nothing else on stdout', () => {
  assert.equal(plain.code, 0, plain.stderr);
  const json =
    '{"status":"ok","vm_name":"web1","ip":"10.0.2.15","ipv6":"","vmid":100,"nft_token_id":"7","username":"admin"}';
  assert.equal(plain.stdout, `${SENTINEL}${json}\n${json}\n`);
  assert.equal(withContent.code, 0, withContent.stderr);
  const other =
    '{"status":"ok","vm_name":"Web_2.x","ip":"10.0.2.15","ipv6":"","vmid":101,"nft_token_id":null,"username":"bob"}';
  assert.equal(withContent.stdout, `${SENTINEL}${other}\n${other}\n`);
});

test('of two creates of one name at once one succeeds; the other is told at once who is at work', () => {
  assert.deepEqual([rival.code, rival.stdout], [1, '']);
  assert.match(
    rival.stderr,
    /^blockhost-vm-create: VM web1 is in use by create of web1 \(pid \d+\); [^\n]+\n$/,
  );
  assert.ok(rival.seconds < 5, `${rival.seconds} s`);
});

test('each engine finds the result by its own rule, whatever create was told', async (t) => {
  const token = 'ab'.repeat(32);
  const said: [words: string[], stdout: string, token: string | null, username: string][] = [
    [['--apply'], plain.stdout, '7', 'admin'],
    [['--apply', '--username'], withContent.stdout, null, 'bob'],
  ];
  const cwd = temporaryDirectory(t);
  for (const mode of [[], ['--mock', '--apply']]) {
    for (const [words, id, username] of [
      [[], null, 'admin'],
      [['--owner-wallet', 'addr_test1vqzy', '--expiry-days', '30'], null, 'admin'],
      [['--nft-token-id', token, '--username', '_ops-1'], token, '_ops-1'],
    ] as const) {
      const args = ['v1', ...sandbox.tiny, ...words, ...mode];
      const { code, stdout, stderr } = await sandbox.run('create', args, { cwd });
      assert.equal(code, 0, stderr);
      said.push([args, stdout, id, username]);
      fs.rmSync(path.join(cwd, 'mock-db.json'), { force: true });
    }
  }
  for (const [words, stdout, id, username] of said) {
    for (const [engine, parse] of Object.entries(ENGINES)) {
      const result = parse(stdout);
      assert.deepEqual(
        [result?.status, result?.nft_token_id, result?.username, typeof result?.vmid],
        ['ok', id, username, 'number'],
        `${engine}: ${words.join(' ')}`,
      );
    }
  }
});

test('progress is told on stderr, in whole lines', () => {
  assert.match(plain.stderr, /^(TCG|KVM): /m);
  assert.match(plain.stderr, /^guest agent answers after \d+\.\d s$/m);
  assert.ok(plain.stderr.endsWith('\n'));
});

test("the record has the shape of BlockHost's database", () => {
  const database = JSON.parse(fs.readFileSync(sandbox.config.paths.records, 'utf8'));
  assert.equal(database.next_vmid, 102);
  assert.deepEqual(database.allocated_ips, []);
  assert.deepEqual(database.allocated_ipv6, []);
  assert.deepEqual(database.reservations, {});
  const { created_at, expires_at, ...record } = database.vms.web1;
  assert.deepEqual(record, {
    vm_name: 'web1',
    vmid: 100,
    ip_address: '10.0.2.15',
    ipv6_address: '',
    owner: '0xAbC1',
    status: 'active',
    purpose: '',
    wallet_address: '0xAbC1',
    username: 'admin',
    network_mode: 'user',
    nft_token_id: '7',
  });
  for (const time of [created_at, expires_at])
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/);
  assert.equal(Date.parse(expires_at) - Date.parse(created_at), 3 * 86_400_000);
  assert.equal('nft_token_id' in database.vms['Web_2.x'], false);
});

test('wallet, host name and account reach the guest', async () => {
  assert.equal(await sandbox.sh('web1', 'grep ^admin: /etc/passwd | cut -d: -f5'), 'wallet=0xAbC1');
  assert.equal(await sandbox.sh('web1', 'hostname'), 'web1');
});

test('--cloud-init-content replaces what would be rendered', async () => {
  assert.equal(await sandbox.sh('Web_2.x', 'cat /run/content'), 'secret of the content');
  assert.equal(await sandbox.sh('Web_2.x', 'grep -c ^admin: /etc/passwd; true'), '0');
});

test('the SSH key is in the seed, without the comments of its file', () => {
  const seed = fs.readFileSync(sandbox.files('web1').seed, 'latin1');
  assert.ok(seed.includes(KEY));
  assert.ok(!seed.includes('a comment'));
});

test('what holds secrets cannot be read by others', () => {
  const { seed, config, disk, consoleLog, qemuLog } = sandbox.files('web1');
  for (const file of [seed, disk, consoleLog, qemuLog, sandbox.config.paths.records])
    assert.equal(fs.statSync(file).mode & 0o007, 0, file);
  assert.equal(fs.statSync(sandbox.config.paths.records).mode & 0o777, 0o600);
  // What observes a VM reads this, and so may everybody: there is nothing in it to hide.
  assert.equal(fs.statSync(config).mode & 0o777, 0o644);
  assert.doesNotMatch(fs.readFileSync(config, 'utf8'), /key|secret|password|wallet/i);
});

test("QEMU's user can write its disk and sockets, but nothing that steers the root side", () => {
  const { directory, config, process: noted, seed, disk, run } = sandbox.files('web1');
  const root = process.getuid?.();
  for (const file of [directory, config, noted, seed]) assert.equal(fs.statSync(file).uid, root);
  assert.equal(fs.statSync(directory).mode & 0o022, 0);
  const qemu = statusOf(sandbox.pid('web1')).Uid?.[0];
  for (const file of [disk, run]) assert.equal(String(fs.statSync(file).uid), qemu);
});

test('QEMU runs without privileges, in a sandbox, in a session of its own', () => {
  const pid = sandbox.pid('web1');
  const status = statusOf(pid);
  if (process.getuid?.() === 0) {
    assert.equal(new Set(status.Uid).size, 1);
    assert.notEqual(status.Uid?.[0], '0');
    assert.notEqual(status.Gid?.[0], '0');
  }
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
    assert.equal(Number.parseInt(status[set]?.[0] ?? '1', 16), 0, set);
  assert.equal(status.NoNewPrivs?.[0], '1');
  assert.equal(status.Seccomp?.[0], '2');
  assert.equal(sessionOf(pid), pid);
});

test('QEMU and its console logger hold nothing of the command that started them', () => {
  // That the command's pipes reached their end is what `done` has waited for.
  const { qemuFifo, consoleFifo } = sandbox.files('web1');
  const words = `${qemuFifo} (deleted)`;
  const pid = sandbox.pid('web1');
  assert.deepEqual(
    [0, 1, 2].map((fd) => fs.readlinkSync(`/proc/${pid}/fd/${fd}`)),
    ['/dev/null', words, words],
  );
  const files = fs.readdirSync(`/proc/${pid}/fd`).map((fd) => link(`/proc/${pid}/fd/${fd}`));
  assert.ok(files.includes(consoleFifo));
  assert.ok(!files.some((file) => file.endsWith('.lock')), files.join(' '));
  assert.equal(fs.readlinkSync(`/proc/${pid}/cwd`), '/');
});

test('a run is noted with the identity of its process', () => {
  const incarnation = runningIncarnation(sandbox.files('web1'));
  assert.equal(incarnation?.pid, sandbox.pid('web1'));
  assert.ok(incarnation !== undefined && isRunning(incarnation));
});

test('a name that is taken is refused, and the VM stays as it is', async () => {
  const before = fs.readFileSync(sandbox.config.paths.records);
  const again = await sandbox.run('create', ['web1', ...sandbox.tiny, '--apply']);
  assert.equal(again.code, 1);
  assert.equal(again.stdout, '');
  assert.match(again.stderr, /^blockhost-vm-create: VM web1 exists already; .*destroy web1.*\n$/);
  assert.deepEqual(fs.readFileSync(sandbox.config.paths.records), before);
  assert.equal((await sandbox.ok('status', ['web1'])).trim(), 'active');
});

test('without --apply nothing is changed, with --mock only the mock database', async (t) => {
  // The two guests go on writing; locks come and go.
  const look = (): string[] =>
    listing(sandbox.state).filter((line) => !/^(vms\/\S+\/(disk|console)|locks )/.test(line));
  const before = look();
  const cwd = temporaryDirectory(t);
  for (const [vmid, ...mode] of [[102], [100, '--mock'], [100, '--mock', '--apply']] as const) {
    const args = ['p1', ...sandbox.tiny, ...mode];
    const { code, stdout, stderr } = await sandbox.run('create', args, { cwd });
    assert.equal(code, 0, stderr);
    if (mode.at(-1) !== '--apply') assert.match(stderr, /^nothing is created: .*--apply/);
    const [first = '', second = ''] = stdout.split('\n');
    assert.equal(first, SENTINEL + second);
    assert.equal(JSON.parse(second).vmid, vmid);
  }
  assert.deepEqual(fs.readdirSync(cwd).sort(), ['mock-db.json', 'mock-db.json.lock']);
  const mock = JSON.parse(fs.readFileSync(path.join(cwd, 'mock-db.json'), 'utf8'));
  assert.equal(mock.vms.p1.status, 'active');
  const resumed = await sandbox.run('resume', ['p1', '--mock'], { cwd });
  assert.match(resumed.stderr, /is not suspended but active/);
  assert.match(await sandbox.ok('gc', ['--mock', '--execute'], { cwd }), /^nothing to collect/);
  assert.deepEqual(look(), before);
});

test('without --apply not even the state directory is made', async (t) => {
  const fresh = await Sandbox.make(t);
  await fresh.ok('create', ['p1', ...fresh.tiny]);
  assert.equal(fs.existsSync(fresh.state), false);
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`${signal} while the guest boots: nothing is left`, async () => {
    const other = await sandbox.sibling();
    const running = other.begin('create', ['sig', ...other.tiny, '--apply']);
    await running.says(/QEMU runs/);
    assert.ok(other.pid('sig') > 1);
    running.child.kill(signal);
    const { code, stdout, stderr, seconds } = await running.done;
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, new RegExp(`^blockhost-vm-create: interrupted by ${signal}$`, 'm'));
    assert.ok(seconds < 30);
    assert.deepEqual(await leftovers(other.config.paths), []);
  });
}

test('a guest that does not get ready in time: nothing is left, and the reason is told', async () => {
  const other = await (await sandbox.sibling()).with({ ready_timeout: 1 });
  const { code, stdout, stderr } = await other.run('create', ['slow', ...other.tiny, '--apply']);
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr.trim().split('\n').at(-1) ?? '', /VM slow: no guest agent within 1 s; /);
  assert.deepEqual(await leftovers(other.config.paths), []);
});

function statusOf(pid: number): Record<string, string[]> {
  const lines = fs.readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
  return Object.fromEntries(
    lines.map((line) => {
      const [key = '', ...words] = line.split(/[:\s]+/);
      return [key, words];
    }),
  );
}

function sessionOf(pid: number): number {
  assert.ok(readProcessStat(pid) !== undefined);
  const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[3]);
}

function link(file: string): string {
  try {
    return fs.readlinkSync(file);
  } catch {
    return '';
  }
}
