import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { InputError, NotFoundError, ProvisionerError } from '../../../src/errors.ts';
import { BlockhostStore } from '../../../src/store/blockhost.ts';
import { HelperClient } from '../../../src/store/helper-client.ts';
import type { AddressPool, VmRecord } from '../../../src/store/record.ts';
import { parseVmName } from '../../../src/types.ts';
import {
  blockhostFiles,
  blockhostStore,
  helperCommand,
  readDatabase,
  writeDatabase,
} from '../../support/blockhost/host.ts';

const pool: AddressPool = { network: '192.0.2.0/24', start: 10, end: 13, gateway: '192.0.2.11' };
const [a, b, c] = ['a', 'b', 'c'].map(parseVmName) as [never, never, never];
const DAY = 86_400_000;

test('numbers are never given twice, addresses only once at a time, the gateway never', async (t) => {
  const { store } = fresh(t);
  assert.deepEqual(await store.allocate(a, pool), { vmid: 100, ip: '192.0.2.10', ipv6: '' });
  assert.deepEqual(await store.allocate(b, pool), { vmid: 101, ip: '192.0.2.12', ipv6: '' });
  await store.release(a);
  assert.deepEqual(await store.allocate(c, pool), { vmid: 102, ip: '192.0.2.10', ipv6: '' });
});

test('a preview tells what would be given, and changes nothing', async (t) => {
  const { store, files } = fresh(t);
  await store.allocate(a, pool);
  const before = readDatabase(files);
  assert.deepEqual(await store.preview(pool), { vmid: 101, ip: '192.0.2.12', ipv6: '' });
  assert.deepEqual(readDatabase(files), before);
});

test('an exhausted pool is said in words, and nothing is taken', async (t) => {
  const { store, files } = fresh(t);
  for (const name of ['a', 'b', 'c']) await store.allocate(parseVmName(name), pool);
  await assert.rejects(store.allocate(parseVmName('d'), pool), /no free address in 192\.0\.2\.0/);
  await store.release(a);
  assert.equal(readDatabase(files).allocated_ips.includes('192.0.2.10'), false);
  assert.equal((await store.allocate(parseVmName('d'), pool)).ip, '192.0.2.10');
});

test('a VM gets an IPv6 address where the host has a prefix, and none beyond the prefix', async (t) => {
  const { store, files } = fresh(t);
  fs.writeFileSync(
    path.join(files.etc, 'broker-allocation.json'),
    JSON.stringify({ prefix: '2001:db8::/126' }),
  );
  assert.equal((await store.allocate(a, pool)).ipv6, '2001:db8::2');
  assert.equal((await store.allocate(b, pool)).ipv6, '2001:db8::3');
  await assert.rejects(store.allocate(c, pool), /no free IPv6 address in 2001:db8::\/126/);
  await store.release(b);
  assert.deepEqual(readDatabase(files).allocated_ipv6, ['2001:db8::2']);
});

test('a record carries what the contract names, with times that have an offset', async (t) => {
  const { store, files } = fresh(t);
  await create(store, 'a', { wallet_address: '0xabc', owner: '0xabc', network_mode: 'onion' });
  const record = readDatabase(files).vms.a;
  assert.equal(record?.ipv6_address, '');
  assert.equal(record?.network_mode, 'onion');
  assert.equal(record?.username, 'admin');
  assert.equal(record?.status, 'active');
  for (const key of ['created_at', 'expires_at']) assert.match(String(record?.[key]), /\+00:00$/);
  const left = Date.parse(String(record?.expires_at)) - Date.now();
  assert.ok(Math.abs(left - 30 * DAY) < DAY / 10, `${left / DAY} days`);
  assert.deepEqual(
    (await store.list()).map(({ vm_name }) => vm_name),
    ['a'],
  );
});

test('a name is registered once while its VM lives', async (t) => {
  const { store } = fresh(t);
  await create(store, 'a');
  await assert.rejects(store.allocate(a, pool), InputError);
  await assert.rejects(store.register(record('a', 300, '192.0.2.13')), InputError);
});

test('destroyed records stay, and their names and addresses can be used again', async (t) => {
  const { store, files } = fresh(t);
  const first = await create(store, 'a');
  await store.remove(a);
  assert.equal((await store.get(a))?.status, 'destroyed');
  assert.equal((await store.get(a))?.ip_address, first.ip);
  const second = await create(store, 'a');
  assert.notEqual(second.vmid, first.vmid);
  assert.equal((await store.get(a))?.status, 'active');
  assert.deepEqual(readDatabase(files).allocated_ips, ['192.0.2.10']);
});

test('neither a second remove nor a reused name frees what another VM has by then', async (t) => {
  const { store, files } = fresh(t);
  const first = await create(store, 'a');
  await store.remove(a);
  const second = await create(store, 'b');
  assert.equal(second.ip, first.ip);
  await store.remove(a);
  assert.ok(readDatabase(files).allocated_ips.includes(second.ip), 'after a second remove');
  const third = await create(store, 'a');
  assert.notEqual(third.ip, second.ip);
  assert.ok(readDatabase(files).allocated_ips.includes(second.ip), 'after reuse of the name');
});

test('suspending twice keeps the first time; activating takes a later expiry, never an earlier one', async (t) => {
  const { store } = fresh(t);
  await create(store, 'a');
  await store.suspend(a);
  const first = await store.get(a);
  await store.suspend(a);
  assert.deepEqual(await store.get(a), first);
  await store.activate(a, new Date(Date.now() + DAY).toISOString());
  const active = await store.get(a);
  assert.equal(active?.status, 'active');
  assert.equal(active?.expires_at, first?.expires_at);
  assert.equal(active?.suspended_at, undefined);
  await store.suspend(a);
  await store.activate(a, new Date(Date.now() + 90 * DAY).toISOString());
  assert.ok(Date.parse((await store.get(a))?.expires_at ?? '') > Date.now() + 89 * DAY);
  await assert.rejects(store.suspend(b), NotFoundError);
});

test('what engines write into a record stays', async (t) => {
  const { store, files } = fresh(t);
  await create(store, 'a');
  const database = readDatabase(files);
  Object.assign(database.vms.a ?? {}, { nft_token_id: 7, utxo_ref: { tx: 'x' } });
  writeDatabase(files, database);
  await store.suspend(a);
  await store.activate(a);
  const record = await store.get(a);
  assert.equal(record?.nft_token_id, 7);
  assert.deepEqual(record?.utxo_ref, { tx: 'x' });
});

test('a writer that puts an old copy back undoes nothing', async (t) => {
  const { store, files } = fresh(t);
  await create(store, 'a');
  const old = readDatabase(files);
  const { ip } = await create(store, 'b');
  await store.suspend(a);
  writeDatabase(files, old);
  assert.equal((await store.get(b))?.ip_address, ip);
  assert.equal((await store.get(a))?.status, 'suspended');
  assert.ok(readDatabase(files).allocated_ips.includes(ip));
  assert.equal((await store.allocate(c, pool)).vmid, 102);
});

test('a destroyed VM that such a writer brings back is destroyed again, its address free', async (t) => {
  const { store, files } = fresh(t);
  await create(store, 'a');
  const old = readDatabase(files);
  await store.remove(a);
  writeDatabase(files, old);
  const { ip } = await create(store, 'b');
  assert.equal(ip, '192.0.2.10');
  assert.equal(readDatabase(files).vms.a?.status, 'destroyed');
});

test('a torn file is read when it is whole again', async (t) => {
  const { store, files } = fresh(t);
  await create(store, 'a');
  const whole = fs.readFileSync(files.database, 'utf8');
  fs.writeFileSync(files.database, whole.slice(0, 40));
  setTimeout(() => fs.writeFileSync(files.database, whole), 300);
  assert.equal((await store.get(a))?.status, 'active');
});

test('a file that its writer left empty is made anew, the damaged one kept aside', async (t) => {
  const { store, files } = fresh(t);
  const { ip } = await create(store, 'a');
  fs.writeFileSync(files.database, '');
  assert.equal((await store.get(a))?.ip_address, ip);
  assert.deepEqual(readDatabase(files).allocated_ips, [ip]);
  const beside = fs.readdirSync(path.dirname(files.database));
  assert.equal(beside.filter((name) => name.includes('.damaged-')).length, 1);
});

test('records that other programs left incomplete are read, and a damaged one hides no other', async (t) => {
  const { store, files } = fresh(t);
  await create(store, 'a');
  const database = readDatabase(files);
  database.vms.old = { vm_name: 'old', vmid: 7, ip_address: null, status: 'active' };
  database.vms.odd = { vm_name: 5 };
  Object.assign(database.vms, { none: null, text: 'x' });
  writeDatabase(files, database);
  assert.deepEqual((await store.list()).map(({ vm_name }) => vm_name).sort(), ['a', 'old']);
  assert.equal((await store.get(parseVmName('old')))?.ip_address, '');
  // Those who change something get past them as well.
  await create(store, 'b');
  await store.suspend(parseVmName('b'));
  await store.activate(parseVmName('b'));
  await assert.rejects(
    store.suspend(parseVmName('odd')),
    /record of VM odd is damaged: status is missing/,
  );
});

test('a helper that cannot work says why, and one that died is started again', async (t) => {
  const { files } = fresh(t);
  const broken = new HelperClient({
    file: '/usr/bin/python3',
    args: ['-c', 'import nothing_like_this'],
  });
  await assert.rejects(new BlockhostStore(broken).list(), (error: ProvisionerError) => {
    assert.match(error.message, /helper ended.*No module named 'nothing_like_this'/);
    return true;
  });
  const missing = new HelperClient({ file: '/nowhere/python3', args: [] });
  await assert.rejects(new BlockhostStore(missing).list(), ProvisionerError);
  const script = `if [ -e ${files.etc}/again ]; then echo '{"id":2,"ok":true,"result":[]}'; else touch ${files.etc}/again; exit 3; fi; read -r _; read -r _`;
  const client = new HelperClient({ file: '/bin/sh', args: ['-c', script] });
  t.after(() => client.close());
  await assert.rejects(new BlockhostStore(client).list(), /exit code 3/);
  assert.deepEqual(await new BlockhostStore(client).list(), []);
});

test('one helper serves all that a verb asks', async (t) => {
  const files = blockhostFiles(t);
  const { file, args } = helperCommand(files);
  const noted = `echo started >>${files.etc}/starts; exec "$@"`;
  const client = new HelperClient({ file: '/bin/sh', args: ['-c', noted, 'sh', file, ...args] });
  t.after(() => client.close());
  const store = new BlockhostStore(client);
  await create(store, 'a');
  await Promise.all([store.list(), store.get(parseVmName('a'))]);
  assert.equal(fs.readFileSync(`${files.etc}/starts`, 'utf8'), 'started\n');
});

function fresh(t: TestContext) {
  const files = blockhostFiles(t);
  return { files, store: blockhostStore(t, files) };
}

async function create(store: BlockhostStore, name: string, fields: Partial<VmRecord> = {}) {
  const allocation = await store.allocate(parseVmName(name), pool);
  await store.register({ ...record(name, allocation.vmid, allocation.ip), ...fields });
  return allocation;
}

function record(name: string, vmid: number, ip: string): VmRecord {
  return {
    vm_name: name,
    vmid,
    ip_address: ip,
    ipv6_address: '',
    expires_at: new Date(Date.now() + 30 * DAY).toISOString(),
    owner: '',
    status: 'active',
    created_at: new Date().toISOString(),
    purpose: '',
    wallet_address: '',
    username: 'admin',
    network_mode: 'none',
  };
}
