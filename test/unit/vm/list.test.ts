import assert from 'node:assert/strict';
import * as path from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../../src/host/config.ts';
import { listVms } from '../../../src/vm/list.ts';
import { blockhostFiles, blockhostStore, writeDatabase } from '../../support/blockhost/host.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const EVIL = '<img src=x onerror=alert(1)>';

test('what other programs wrote into a record reaches no page as markup', async (t) => {
  const state = temporaryDirectory(t);
  const files = blockhostFiles(t);
  const record = { vmid: 100, status: 'suspended', ip_address: EVIL, created_at: EVIL };
  writeDatabase(files, {
    vms: {
      web1: { ...record, vm_name: 'web1' },
      evil: { ...record, vm_name: EVIL },
      web2: { ...record, vm_name: 'web2', ip_address: '192.0.2.7', created_at: '2026-01-02T03:04' },
    },
    next_vmid: 101,
    allocated_ips: [],
    allocated_ipv6: [],
  });
  const context = {
    ...(await loadConfig({ BLOCKHOST_QEMU_STATE_DIR: path.join(state, 's') })),
    report: () => undefined,
    verbose: () => undefined,
    signal: new AbortController().signal,
  };
  const store = blockhostStore(t, files);
  assert.deepEqual(await listVms({ ...context, store }), [
    { name: 'web1', status: 'suspended', ip: '', created: '' },
    { name: 'web2', status: 'suspended', ip: '192.0.2.7', created: '2026-01-02' },
  ]);
});
