import assert from 'node:assert/strict';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '../../../src/host/config.ts';
import { localRoot } from '../../../src/root/local.ts';
import { EmbeddedStore } from '../../../src/store/embedded.ts';
import type { Store, VmRecord } from '../../../src/store/record.ts';
import { parseVmName, type VmName } from '../../../src/types.ts';
import { collectGarbage, type GcOptions } from '../../../src/vm/gc.ts';
import { dueFor } from '../../../src/vm/gc-due.ts';
import type { Host } from '../../../src/vm/host.ts';
import { Journal } from '../../../src/vm/journal.ts';
import { resumeVm } from '../../../src/vm/resume.ts';
import {
  blockhostFiles,
  blockhostStore,
  readDatabase,
  writeDatabase,
} from '../../support/blockhost/host.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const NOW = Date.parse('2030-01-10T00:00:00Z');
const [PAST, FUTURE] = ['2030-01-09T00:00:00+00:00', '2030-01-11T00:00:00+00:00'];

for (const [what, fields, due] of [
  ['active and paid', { expires_at: FUTURE }, undefined],
  ['active and expired', { expires_at: PAST }, 'suspend'],
  ['active, expiry unreadable', { expires_at: 'soon' }, undefined],
  ['active, expiry without offset', { expires_at: '2030-01-09T00:00:00' }, 'suspend'],
  [
    'suspended, grace not over',
    { status: 'suspended', suspended_at: '2030-01-05T00:00:00+00:00', expires_at: PAST },
    undefined,
  ],
  [
    'suspended, grace over',
    { status: 'suspended', suspended_at: '2030-01-02T00:00:00+00:00', expires_at: PAST },
    'destroy',
  ],
  [
    'suspended, grace over, but paid',
    { status: 'suspended', suspended_at: '2030-01-02T00:00:00+00:00', expires_at: FUTURE },
    'paid',
  ],
  [
    'suspended, expiry unreadable',
    { status: 'suspended', suspended_at: '2030-01-02T00:00:00+00:00', expires_at: '' },
    undefined,
  ],
  ['suspended, nobody knows when', { status: 'suspended', expires_at: PAST }, undefined],
  ['destroyed', { status: 'destroyed', expires_at: PAST }, undefined],
] as const) {
  test(`${what}: ${due ?? 'nothing'} is due`, () => {
    assert.equal(dueFor({ ...record('a', NOW), ...fields }, NOW, 7), due);
  });
}

for (const kind of ['embedded', 'blockhost'] as const) {
  test(`${kind}: without --execute nothing changes`, async (t) => {
    const { host, store } = await fresh(t, kind);
    await register(store, 'old', -1);
    const outcomes = await collectGarbage(host, { ...options, execute: false });
    assert.deepEqual(
      outcomes.map(({ name, what }) => [name, what]),
      [['old', 'would suspend']],
    );
    assert.equal((await store.get(parseVmName('old')))?.status, 'active');
  });

  test(`${kind}: an expired VM is suspended, and destroyed when the grace is over`, async (t) => {
    const { host, store } = await fresh(t, kind);
    await register(store, 'old', -1);
    await register(store, 'new', 1);
    assert.deepEqual(words(await collectGarbage(host, options)), ['old suspended']);
    assert.deepEqual(words(await collectGarbage(host, options)), []);
    assert.deepEqual(words(await collectGarbage(host, { ...options, graceDays: 0 })), [
      'old destroyed',
    ]);
    const gone = await store.get(parseVmName('old'));
    assert.equal(gone?.status, kind === 'embedded' ? undefined : 'destroyed');
    assert.equal((await store.get(parseVmName('new')))?.status, 'active');
  });

  test(`${kind}: phases can be asked for alone`, async (t) => {
    const { host, store } = await fresh(t, kind);
    await register(store, 'a', -1);
    const destroyOnly = { ...options, phases: ['destroy'], graceDays: 0 } as const;
    assert.deepEqual(words(await collectGarbage(host, destroyOnly)), []);
    const suspendOnly = { ...options, phases: ['suspend'], graceDays: 0 } as const;
    assert.deepEqual(words(await collectGarbage(host, suspendOnly)), ['a suspended']);
    assert.deepEqual(words(await collectGarbage(host, suspendOnly)), []);
    assert.deepEqual(words(await collectGarbage(host, destroyOnly)), ['a destroyed']);
  });

  test(`${kind}: resume without days keeps an expiry that was paid, and renews one that passed`, async (t) => {
    const { host, store } = await fresh(t, kind);
    const name = parseVmName('a');
    await register(store, 'a', -1);
    await assert.rejects(resumeVm(host, name, resume), /is not suspended but active/);
    await collectGarbage(host, options);
    await assert.rejects(resumeVm(host, parseVmName('nobody'), resume), /has no record/);
    const dry = await resumeVm(host, name, { ...resume, dryRun: true });
    assert.ok(Math.abs(days(dry.expiresAt) - 30) < 0.1);
    assert.equal((await store.get(name))?.status, 'suspended');
    await resumeVm(host, name, resume);
    const renewed = await store.get(name);
    assert.equal(renewed?.status, 'active');
    assert.ok(Math.abs(days(renewed?.expires_at ?? '') - 30) < 0.1);
    await store.suspend(name);
    const { expiresAt } = await resumeVm(host, name, resume);
    assert.equal(expiresAt, renewed?.expires_at);
    await store.suspend(name);
    await resumeVm(host, name, { ...resume, extendDays: 10 });
    assert.ok(Math.abs(days((await store.get(name))?.expires_at ?? '') - 40) < 0.1);
  });
}

test('a VM that was paid for while it was suspended is never destroyed', async (t) => {
  const { host, store, files } = await fresh(t, 'blockhost');
  await register(store, 'a', -1);
  await collectGarbage(host, options);
  const database = readDatabase(files);
  Object.assign(database.vms.a ?? {}, {
    expires_at: new Date(Date.now() + 86_400_000).toISOString(),
  });
  writeDatabase(files, database);
  const outcomes = await collectGarbage(host, { ...options, graceDays: 0 });
  assert.deepEqual(words(outcomes), ['a left']);
  assert.match(outcomes[0]?.why ?? '', /paid until .*resume a/);
});

test('one VM that fails holds up no other', async (t) => {
  const { host } = await fresh(t, 'embedded');
  class Failing extends EmbeddedStore {
    override suspend(name: VmName): Promise<void> {
      return name === 'b' ? Promise.reject(new Error('no')) : super.suspend(name);
    }
  }
  const store = new Failing(host.paths.records);
  for (const name of ['a', 'b', 'c']) await register(store, name, -1);
  const outcomes = await collectGarbage({ ...host, store }, options);
  assert.deepEqual(words(outcomes), ['a suspended', 'b failed', 'c suspended']);
});

test('what a killed command left half-done is finished first', async (t) => {
  const { host, store } = await fresh(t, 'embedded');
  const name = parseVmName('a');
  const { ip } = await store.allocate(name, pool);
  new Journal(host, name, { verb: 'create' }).begin();
  const outcomes = await collectGarbage(host, { ...options, mock: false });
  assert.deepEqual(words(outcomes), ['a finished']);
  assert.deepEqual(await collectGarbage(host, { ...options, mock: false }), []);
  assert.equal((await store.allocate(parseVmName('b'), pool)).ip, ip);
});

const pool = { network: '192.0.2.0/24', start: 10, end: 20, gateway: '192.0.2.1' };
const options: GcOptions = {
  execute: true,
  phases: ['suspend', 'destroy'],
  graceDays: 7,
  mock: true,
};
const resume = { extendDays: undefined, dryRun: false, mock: true };

function words(outcomes: Awaited<ReturnType<typeof collectGarbage>>): string[] {
  return outcomes.map(({ name, what }) => `${name} ${what}`);
}

function days(iso: string): number {
  return (Date.parse(iso) - Date.now()) / 86_400_000;
}

async function fresh(t: TestContext, kind: 'embedded' | 'blockhost') {
  const state = temporaryDirectory(t);
  const config = await loadConfig({ BLOCKHOST_QEMU_STATE_DIR: state });
  const files = blockhostFiles(t);
  const store =
    kind === 'embedded'
      ? new EmbeddedStore(path.join(state, 'vms.json'))
      : blockhostStore(t, files);
  const context = {
    ...config,
    report: () => undefined,
    verbose: () => undefined,
    signal: new AbortController().signal,
  };
  const host: Host = { ...context, store, root: localRoot(context) };
  return { host, store, files };
}

async function register(store: Store, name: string, inDays: number): Promise<void> {
  const { vmid } = await store.allocate(parseVmName(name), undefined);
  await store.register({ ...record(name, Date.now() + inDays * 86_400_000), vmid });
}

function record(name: string, expires: number): VmRecord {
  return {
    vm_name: name,
    vmid: 100,
    ip_address: `192.0.2.${name.charCodeAt(0)}`,
    ipv6_address: '',
    expires_at: new Date(expires).toISOString(),
    owner: '',
    status: 'active',
    created_at: new Date().toISOString(),
    purpose: '',
    wallet_address: '',
    username: 'admin',
    network_mode: 'none',
  };
}
