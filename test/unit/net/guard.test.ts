import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { type Guard, linkLocalOf, normalGuard } from '../../../src/net/guard/guard.ts';
import { parseListing } from '../../../src/net/guard/listing.ts';
import { elementsOf, installPlan, removePlan } from '../../../src/net/guard/plan.ts';
import { GUARD_CHAINS } from '../../../src/net/guard/rules.ts';
import { routePlan } from '../../../src/net/route.ts';

const GUARD: Guard = {
  tap: 'tap100i0',
  mac: '52:54:00:12:34:56',
  ipv4: '192.0.2.10',
  ipv6: 'fd00:1::10',
};

// UPDATE_GOLDEN=1 node scripts/test.mjs unit -- guard
test('the plan is what stands in the golden file', () => {
  const golden = path.join(process.cwd(), 'test/unit/net/golden/guard.nft');
  const plan = installPlan(GUARD, elementsOf({ ...GUARD, ipv4: '192.0.2.9', ipv6: '' }));
  if (process.env.UPDATE_GOLDEN !== undefined) fs.writeFileSync(golden, plan);
  assert.equal(plan, fs.readFileSync(golden, 'utf8'));
});

test('the link-local address is the modified EUI-64 of the MAC', () => {
  // The example of RFC 4291, appendix A.
  assert.equal(linkLocalOf('34:56:78:9a:bc:de'), 'fe80::3656:78ff:fe9a:bcde');
  assert.equal(linkLocalOf('52:54:00:00:00:01'), 'fe80::5054:ff:fe00:1');
});

test('a guard is written in one way, however it was given', () => {
  const given = { ...GUARD, mac: '52:54:00:AA:BB:CC', ipv6: 'FD00:1:0:0::0010' };
  assert.deepEqual(normalGuard(given), {
    ...GUARD,
    mac: '52:54:00:aa:bb:cc',
    ipv6: 'fd00:1::10',
  });
});

test('with DHCP there is no address of its own, without IPv6 only the link-local one', () => {
  const elements = elementsOf({ ...GUARD, ipv4: '', ipv6: '' });
  const sets = elements.map(({ set }) => set);
  assert.deepEqual(sets, ['vm_tap', 'vm_mac', 'vm_mac_raw', 'vm_dhcp', 'vm_ipv6', 'vm_ipv6_raw']);
  assert.equal(elements[4]?.value, '"tap100i0" . fe80::5054:ff:fe12:3456');
});

test('a rule sends frames only to chains above it, and none is left open at its end', () => {
  const above = new Set<string>();
  for (const { name, hook, rules } of GUARD_CHAINS) {
    for (const rule of rules) {
      const target = /goto (\S+)$/.exec(rule)?.[1];
      assert.ok(target === undefined || above.has(target), `${name}: ${rule}`);
    }
    if (hook === undefined) assert.match(rules.at(-1) ?? '', /^counter name \w+ drop$/, name);
    above.add(name);
  }
});

test('the listing is read in the form in which plans are written', () => {
  const elements = elementsOf(GUARD);
  const sets = new Map<string, unknown[]>();
  for (const { set, value } of elements) {
    const [tap = '', rest] = value.replaceAll('"', '').split(' . ');
    // nft prints numbers up to 64 bits as such, and longer ones in hexadecimal.
    const number = set === 'vm_mac_raw' ? Number(rest) : rest;
    const item = rest === undefined ? tap : { concat: [tap, number] };
    sets.set(set, [...(sets.get(set) ?? []), item]);
  }
  const nftables = [
    { metainfo: { version: '1.0.6' } },
    ...[...sets].map(([name, elem]) => ({ set: { name, type: 'ifname', elem } })),
    { set: { name: 'of_somebody_else', type: 'mark', elem: [1, 2] } },
    ...GUARD_CHAINS.flatMap(({ name, rules }) => [
      { chain: { name } },
      ...rules.map(() => ({ rule: { chain: name } })),
    ]),
  ];
  const listing = parseListing(JSON.stringify({ nftables }));
  const lines = (of: readonly { set: string; value: string }[]): string[] =>
    of.map(({ set, value }) => `${set} ${value}`).sort();
  assert.deepEqual(lines(listing.elements), lines(elements));
  assert.ok(listing.elements.every(({ tap }) => tap === 'tap100i0'));
  assert.equal(listing.rulesComplete, true);
  const short = JSON.stringify({ nftables: nftables.slice(0, -1) });
  assert.equal(parseListing(short).rulesComplete, false);
  assert.throws(() => parseListing('{"nftables":7}'), /in a way not known here: nftables/);
});

test('removing adds first, so that what is gone already is no error', () => {
  assert.equal(removePlan([]), '');
  assert.equal(
    removePlan([{ set: 'vm_tap', value: '"tap1i0"' }]),
    'add element bridge blockhost_qemu vm_tap { "tap1i0" }\n' +
      'delete element bridge blockhost_qemu vm_tap { "tap1i0" }\n',
  );
});

test('the route leads to one address', () => {
  assert.deepEqual(routePlan('fd00:1::10', 'br0'), ['route replace fd00:1::10/128 dev br0']);
  assert.throws(() => routePlan('fd00:1::/64', 'br0'), /"fd00:1::\/64" is not a valid IPv6/);
});
