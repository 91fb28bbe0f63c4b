import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { ENGINES } from '../../support/blockhost/engine-parsers.ts';
import {
  blockhostFiles,
  type DatabaseContent,
  PACKAGE,
  readDatabase,
  writeDatabase,
} from '../../support/blockhost/host.ts';
import { Namespace } from '../../support/namespace.ts';
import type { Finished } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

// The first octets of documentation networks (RFC 5737, RFC 3849).
const POOL = { network: '192.0.2.0/24', start: 10, end: 12, gateway: '192.0.2.1' };
const WALLET = `0x${'aB'.repeat(20)}`;
const DAY = 86_400_000;

const namespace = await Namespace.make({ after }, '192.0.2.1/24');
const files = blockhostFiles({ after }, { bridge: 'br0', ip_pool: POOL, gc_grace_days: 3 });
const root = path.dirname(files.etc);
const lock = path.join(root, 'run', 'provisioning.lock');
prepareHost();
const sandbox = await Sandbox.make(
  { after },
  { store: 'blockhost', blockhost_dir: files.etc, front_user: 'nobody' },
);
const options = { prefix: namespace.prefix, env: { PYTHONPATH: PACKAGE } };
const run = (verb: string, ...args: string[]): Promise<Finished> =>
  sandbox.run(verb, args, options);
const ok = (verb: string, ...args: string[]): Promise<string> => sandbox.ok(verb, args, options);
const sh = async (command: string): Promise<string> =>
  (await ok('guest-exec', 'web1', command)).trimEnd();
const create = (name: string, ...more: string[]): Promise<Finished> =>
  run('create', name, '--owner-wallet', WALLET, ...sandbox.tiny, ...more);

let first: Finished;
before(async () => {
  const running = sandbox.begin(
    'create',
    ['web1', '--owner-wallet', WALLET, '--expiry-days', '30', ...sandbox.tiny, '--apply'],
    options,
  );
  await running.says(/QEMU runs/);
  assert.match(fs.readFileSync(lock, 'utf8'), /^\d+$/);
  const second = await create('web2', '--apply');
  assert.equal(second.code, 1);
  assert.match(second.stderr, /another VM is being created \(pid \d+\)/);
  first = await running.done;
  assert.equal(first.code, 0, first.stderr);
});

test('the result is what every engine finds', () => {
  for (const [engine, parse] of Object.entries(ENGINES)) {
    const result = parse(first.stdout);
    assert.equal(result?.vm_name, 'web1', engine);
    assert.equal(result?.ip, '192.0.2.10', engine);
    assert.equal(result?.ipv6, '2001:db8::2', engine);
    assert.equal(result?.username, 'admin', engine);
    assert.ok(Number.isInteger(result?.vmid), engine);
  }
  assert.ok(!fs.existsSync(lock));
});

test('the record stands in BlockHost’s database, and its user owns the file', () => {
  const record = readDatabase(files).vms.web1;
  assert.equal(record?.status, 'active');
  assert.equal(record?.wallet_address, WALLET);
  assert.equal(record?.network_mode, 'none');
  assert.equal(record?.ipv6_address, '2001:db8::2');
  assert.equal(fs.statSync(files.database).uid, 65_534);
});

test('the guest is as BlockHost’s template says', async () => {
  assert.match(await sh('grep ^admin: /etc/passwd'), new RegExp(`:wallet=${WALLET}:`));
  assert.match(await sh('ip -4 addr show eth0'), /inet 192\.0\.2\.10\/24 /);
  assert.match(await sh('ip -6 addr show eth0'), /inet6 2001:db8::2\/128 /);
});

test('a wallet that is not the engine’s, or a host without a mode, is told before anything is done', async () => {
  const before = readDatabase(files);
  const odd = await run('create', 'web3', '--owner-wallet', 'addr1xyz', ...sandbox.tiny, '--apply');
  assert.equal(odd.code, 1);
  assert.match(odd.stderr, /not a valid wallet address for this engine/);
  const enabled = path.join(files.etc, 'network-modes.enabled', 'none.json');
  fs.renameSync(enabled, `${enabled}.off`);
  const moded = await create('web3', '--apply');
  fs.renameSync(`${enabled}.off`, enabled);
  assert.equal(moded.code, 1);
  assert.match(moded.stderr, /no network mode is enabled/);
  const preview = await create('web3');
  assert.equal(preview.code, 0, preview.stderr);
  assert.deepEqual(readDatabase(files), before);
});

test('gc suspends the VM when it has expired, and resume brings it back', async () => {
  change((database) => Object.assign(database.vms.web1 ?? {}, { expires_at: iso(-DAY) }));
  assert.match(await ok('gc'), /^VM web1 would be suspended/);
  assert.equal(await ok('status', 'web1'), 'active\n');
  // A guest that does not care for its power button is off all the same.
  await sh('mood off');
  assert.match(await ok('gc', '--execute'), /^VM web1 is suspended/);
  assert.equal(await ok('status', 'web1'), 'suspended\n');
  assert.equal(readDatabase(files).vms.web1?.status, 'suspended');
  // An engine extends the expiry first, then calls resume.
  change((database) =>
    Object.assign(database.vms.web1 ?? {}, {
      expires_at: iso(90 * DAY),
      suspended_at: iso(-9 * DAY),
    }),
  );
  assert.match(await ok('gc', '--execute'), /^VM web1 is left alone: it is paid until/);
  assert.match(await ok('resume', 'web1'), /^VM web1 is active until/);
  assert.equal(await ok('status', 'web1'), 'active\n');
  const record = readDatabase(files).vms.web1;
  assert.equal(record?.status, 'active');
  assert.ok(Date.parse(String(record?.expires_at)) > Date.now() + 89 * DAY);
  assert.equal((await run('resume', 'web1')).code, 1);
});

test('a VM that is off already is suspended all the same, and destroyed when the grace is over', async () => {
  await ok('kill', 'web1');
  change((database) => Object.assign(database.vms.web1 ?? {}, { expires_at: iso(-20 * DAY) }));
  assert.match(await ok('gc', '--execute', '--suspend-only'), /^VM web1 is suspended/);
  change((database) => Object.assign(database.vms.web1 ?? {}, { suspended_at: iso(-4 * DAY) }));
  assert.match(await ok('gc', '--execute'), /^VM web1 is destroyed/);
  assert.equal(await ok('status', 'web1'), 'destroyed\n');
  assert.ok(!fs.existsSync(sandbox.files('web1').directory));
  const database = readDatabase(files);
  assert.deepEqual(database.allocated_ipv6, []);
  assert.deepEqual(database.allocated_ips, []);
  assert.equal(await ok('destroy', 'web1'), 'VM web1 does not exist: nothing to do\n');
});

test('a destroyed name can be used again; a create that fails leaves no record and no address', async () => {
  const failed = await create(
    'web1',
    '--username',
    'nobody_makes_me',
    '--apply',
    '--cloud-init-content',
    odd(),
  );
  assert.equal(failed.code, 1);
  assert.equal(failed.stdout, '');
  assert.equal(readDatabase(files).vms.web1, undefined);
  assert.deepEqual(readDatabase(files).allocated_ips, []);
  assert.ok(!fs.existsSync(lock));
});

/** Makes no user at all. */
function odd(): string {
  const file = path.join(root, 'odd');
  fs.writeFileSync(file, '#!/bin/sh\npoweroff -f\n');
  return file;
}

function prepareHost(): void {
  const { etc } = files;
  for (const folder of [`${root}/run`, `${root}/share`, `${etc}/network-modes.enabled`]) {
    fs.mkdirSync(folder);
  }
  fs.writeFileSync(path.join(etc, 'network-modes.enabled', 'none.json'), '{"name":"none"}');
  fs.writeFileSync(
    path.join(etc, 'broker-allocation.json'),
    JSON.stringify({ prefix: '2001:db8::/120' }),
  );
  const constraints = { address_pattern: '^0x[0-9a-fA-F]{40}$' };
  fs.writeFileSync(path.join(root, 'share', 'engine.json'), JSON.stringify({ constraints }));
  fs.chownSync(path.dirname(files.database), 65_534, 65_534);
}

function change(edit: (database: DatabaseContent) => void): void {
  const database = readDatabase(files);
  edit(database);
  writeDatabase(files, database);
}

function iso(inMs: number): string {
  return new Date(Date.now() + inMs).toISOString().replace('Z', '+00:00');
}
