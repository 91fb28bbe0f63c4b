import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { InputError, ProvisionerError } from '../../../src/errors.ts';
import { EmbeddedStore } from '../../../src/store/embedded.ts';
import type { AddressPool, VmRecord } from '../../../src/store/record.ts';
import { parseVmName } from '../../../src/types.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const pool: AddressPool = { network: '192.0.2.0/24', start: 10, end: 13, gateway: '192.0.2.11' };
const [a, b, c] = ['a', 'b', 'c'].map(parseVmName) as [never, never, never];

test('numbers are never given twice, addresses only once at a time, the gateway never', async (t) => {
  const { store } = fresh(t);
  assert.deepEqual(await store.allocate(a, pool), { vmid: 100, ip: '192.0.2.10', ipv6: '' });
  assert.deepEqual(await store.allocate(b, pool), { vmid: 101, ip: '192.0.2.12', ipv6: '' });
  await store.release(a);
  assert.deepEqual(await store.allocate(c, pool), { vmid: 102, ip: '192.0.2.10', ipv6: '' });
});

test('an exhausted pool is said in words', async (t) => {
  const { store } = fresh(t);
  for (const name of ['a', 'b', 'c']) await store.allocate(parseVmName(name), pool);
  await assert.rejects(
    store.allocate(parseVmName('d'), pool),
    /no free address between 192.0.2.10 and 192.0.2.13/,
  );
});

test('releasing twice does not free an address that somebody else has by then', async (t) => {
  const { store } = fresh(t);
  await store.allocate(a, pool);
  await store.release(a);
  assert.equal((await store.allocate(b, pool)).ip, '192.0.2.10');
  await store.release(a);
  await store.remove(a);
  assert.notEqual((await store.allocate(c, pool)).ip, '192.0.2.10');
});

test('a preview changes nothing', async (t) => {
  const { store, file } = fresh(t);
  assert.deepEqual(await store.preview(pool), { vmid: 100, ip: '192.0.2.10', ipv6: '' });
  assert.ok(!fs.existsSync(file));
});

test('a registered VM keeps its address until it is removed', async (t) => {
  const { store } = fresh(t);
  const { vmid, ip } = await store.allocate(a, pool);
  await store.register(record('a', vmid, ip));
  await store.release(a);
  assert.equal((await store.allocate(b, pool)).ip, '192.0.2.12');
  await store.remove(a);
  await store.remove(a);
  assert.equal((await store.allocate(c, pool)).ip, '192.0.2.10');
  assert.equal(await store.get(a), undefined);
});

test('a name is registered once', async (t) => {
  const { store } = fresh(t);
  await store.register(record('a', 100, ''));
  await assert.rejects(store.register(record('a', 101, '')), InputError);
});

test('names that every object has are no records', async (t) => {
  const { store } = fresh(t);
  for (const name of ['constructor', 'toString', 'hasOwnProperty']) {
    assert.equal(await store.get(parseVmName(name)), undefined);
    await store.release(parseVmName(name));
    await store.register(record(name, 100, ''));
    assert.equal((await store.get(parseVmName(name)))?.vm_name, name);
  }
});

test('keys of other programs survive every change', async (t) => {
  const { store, file } = fresh(t);
  await store.register(record('a', 100, ''));
  const content = JSON.parse(fs.readFileSync(file, 'utf8'));
  content.vms.a.nft_minted = true;
  content.theirs = { x: 1 };
  fs.writeFileSync(file, JSON.stringify(content));
  await store.update(a, { status: 'suspended' });
  await store.allocate(b, pool);
  const after = JSON.parse(fs.readFileSync(file, 'utf8'));
  assert.equal(after.vms.a.nft_minted, true);
  assert.equal(after.vms.a.status, 'suspended');
  assert.deepEqual(after.theirs, { x: 1 });
});

test('a damaged file is named, and not overwritten', async (t) => {
  const { store, file } = fresh(t);
  for (const content of [
    '{"vms":',
    '[]',
    '{"vms":{"a":{}},"next_vmid":100,"allocated_ips":[],"allocated_ipv6":[]}',
  ]) {
    fs.writeFileSync(file, content);
    const expected = (error: unknown): boolean =>
      error instanceof ProvisionerError && error.message.includes(`${file} is damaged`);
    await assert.rejects(async () => await store.list(), expected);
    await assert.rejects(store.allocate(a, pool), expected);
    assert.equal(fs.readFileSync(file, 'utf8'), content);
  }
});

test('many at once lose nothing', async (t) => {
  const { store, file } = fresh(t);
  const wide = { ...pool, start: 20, end: 250 };
  const names = Array.from({ length: 40 }, (_, i) => parseVmName(`vm${i}`));
  const given = await Promise.all(
    names.map((name) => new EmbeddedStore(file).allocate(name, wide)),
  );
  assert.equal(new Set(given.map(({ vmid }) => vmid)).size, names.length);
  assert.equal(new Set(given.map(({ ip }) => ip)).size, names.length);
  await Promise.all(given.map(({ vmid, ip }, i) => store.register(record(`vm${i}`, vmid, ip))));
  assert.equal((await store.list()).length, names.length);
});

test('records are not for everybody to read', async (t) => {
  const { store, file } = fresh(t);
  await store.allocate(a, pool);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
});

function fresh(t: TestContext): { store: EmbeddedStore; file: string } {
  const file = path.join(temporaryDirectory(t), 'vms.json');
  return { store: new EmbeddedStore(file), file };
}

function record(name: string, vmid: number, ip: string): VmRecord {
  const now = '2026-01-01T00:00:00.000+00:00';
  return {
    vm_name: name,
    vmid,
    ip_address: ip,
    ipv6_address: '',
    expires_at: now,
    owner: '',
    status: 'active',
    created_at: now,
    purpose: '',
    wallet_address: '',
    username: 'admin',
    network_mode: 'user',
  };
}
