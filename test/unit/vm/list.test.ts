import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../../src/host/config.ts';
import { selfIdentity } from '../../../src/host/process.ts';
import { writeIncarnation } from '../../../src/store/incarnation.ts';
import { parseVmName } from '../../../src/types.ts';
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

test('of one whose state cannot be told it says why', async (t) => {
  const files = blockhostFiles(t);
  const record = {
    vmid: 100,
    status: 'active',
    ip_address: '192.0.2.7',
    created_at: '2026-01-02T03:04',
  };
  const vms = Object.fromEntries(
    ['damaged', 'off', 'silent'].map((name) => [name, { ...record, vm_name: name }]),
  );
  writeDatabase(files, { vms, next_vmid: 101, allocated_ips: [], allocated_ipv6: [] });
  const context = {
    ...(await loadConfig({ BLOCKHOST_QEMU_STATE_DIR: path.join(temporaryDirectory(t), 's') })),
    report: () => undefined,
    verbose: () => undefined,
    signal: new AbortController().signal,
  };
  for (const name of Object.keys(vms))
    fs.mkdirSync(context.paths.vm(parseVmName(name)).directory, { recursive: true });
  fs.writeFileSync(context.paths.vm(parseVmName('damaged')).process, '{');
  // A process that has no monitor: this one.
  const run = { runner: 'direct', accel: 'tcg', started_at: '' } as const;
  writeIncarnation(context.paths.vm(parseVmName('silent')), { ...selfIdentity(), ...run });
  const [damaged, off, silent] = await listVms({ ...context, store: blockhostStore(t, files) });
  assert.equal(damaged?.status, 'unknown');
  assert.match(damaged.reason ?? '', /run\.json/);
  // The contract's four fields, and no more.
  const rest = { ip: '192.0.2.7', created: '2026-01-02' };
  assert.deepEqual(off, { name: 'off', status: 'suspended', ...rest });
  const reason = 'QEMU is alive but does not answer';
  assert.deepEqual(silent, { name: 'silent', status: 'unknown', ...rest, reason });
});
