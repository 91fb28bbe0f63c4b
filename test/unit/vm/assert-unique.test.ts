import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { Paths } from '../../../src/host/paths.ts';
import { writeVmConfig } from '../../../src/store/vm-config.ts';
import { parseVmName } from '../../../src/types.ts';
import { assertUnique } from '../../../src/vm/assert-unique.ts';
import type { CreateFiles } from '../../../src/vm/root-side.ts';
import { configOf } from '../../support/fleet/config.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const OTHER = {
  mode: 'bridge',
  bridge: 'br0',
  tap: 'tap1i0',
  ipv4: '192.0.2.10',
  ipv6: 'fd00:1::10',
} as const;

function request(wanted: { vmid?: number; ipv4?: string; ipv6?: string }): CreateFiles {
  const { vmid = 2, ipv4 = '', ipv6 = '' } = wanted;
  return {
    name: parseVmName('web2'),
    ...{ vmid, vcpus: 1, memory_mb: 128, disk_bytes: 1, template: 'none', username: 'admin' },
    network: { mode: 'bridge', bridge: 'br0', ipv4, ipv6 },
    seed: { user_data: '', ipv4: 'dhcp', nameservers: [] },
  };
}

test('what another VM or the host has cannot be had, in whatever way it is written', (t) => {
  const state = temporaryDirectory(t);
  const paths = new Paths(state, `${state}/run`);
  const name = parseVmName('web1');
  fs.mkdirSync(paths.vm(name).directory, { recursive: true });
  writeVmConfig(paths.vm(name), { ...configOf(name, 0), vmid: 1, network: OTHER });

  for (const [wanted, said] of [
    [{ vmid: 1 }, /^VM web2: its number 1 belongs to VM web1$/],
    [{ ipv4: OTHER.ipv4 }, /^VM web2: its address 192\.0\.2\.10 belongs to VM web1$/],
    [{ ipv6: OTHER.ipv6 }, /^VM web2: its address fd00:1::10 belongs to VM web1$/],
    [{ ipv6: 'FD00:0001:0::0010' }, /^VM web2: its address FD00:0001:0::0010 belongs to VM web1$/],
    [{ ipv4: '127.0.0.1' }, /^VM web2: its address 127\.0\.0\.1 belongs to this host$/],
  ] as const)
    assert.throws(() => assertUnique(paths, request(wanted)), { message: said });

  assertUnique(paths, request({ ipv4: '192.0.2.11', ipv6: 'fd00:1::11' }));
  assertUnique(paths, request({}));
});
