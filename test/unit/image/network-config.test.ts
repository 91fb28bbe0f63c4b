import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { InputError } from '../../../src/errors.ts';
import { renderNetworkConfig } from '../../../src/image/network-config.ts';

const mac = '52:54:00:AB:cd:01';

test('a static IPv4 address keeps the pool’s prefix length and goes out through its gateway', () => {
  const text = renderNetworkConfig({
    mac,
    ipv4: { address: '10.1.2.3', prefixLength: 20, gateway: '10.1.0.1' },
    nameservers: ['10.1.0.1'],
  });
  assert.equal(
    text,
    '{"version":2,"ethernets":{"nic0":{"match":{"macaddress":"52:54:00:ab:cd:01"},"set-name":"eth0",' +
      '"addresses":["10.1.2.3/20"],"routes":[{"to":"default","via":"10.1.0.1"}],' +
      '"nameservers":{"addresses":["10.1.0.1"]}}}}\n',
  );
  assert.deepEqual(parse(text), JSON.parse(text));
});

test('DHCP needs nothing but the MAC', () => {
  assert.deepEqual(JSON.parse(renderNetworkConfig({ mac, ipv4: 'dhcp' })).ethernets.nic0, {
    match: { macaddress: '52:54:00:ab:cd:01' },
    'set-name': 'eth0',
    dhcp4: true,
  });
});

test('an IPv6 address is a /128 whose gateway is reached on the link', () => {
  const { nic0 } = JSON.parse(
    renderNetworkConfig({
      mac,
      ipv4: { address: '10.0.0.2', prefixLength: 24, gateway: '10.0.0.1' },
      ipv6: { address: '2001:db8::7', gateway: '2001:db8::1' },
    }),
  ).ethernets;
  assert.deepEqual(nic0.addresses, ['10.0.0.2/24', '2001:db8::7/128']);
  assert.deepEqual(nic0.routes, [
    { to: 'default', via: '10.0.0.1' },
    { to: '2001:db8::1/128', scope: 'link' },
    { to: '::/0', via: '2001:db8::1', 'on-link': true },
  ]);
  assert.equal(nic0['accept-ra'], false);
});

test('anything that is not an address is refused', () => {
  const good = { address: '10.0.0.2', prefixLength: 24 };
  const bad = [
    { mac: 'nope', ipv4: 'dhcp' as const },
    { mac, ipv4: { ...good, address: '10.0.0.300' } },
    { mac, ipv4: { ...good, prefixLength: 33 } },
    { mac, ipv4: { ...good, gateway: 'gw' } },
    { mac, ipv4: good, ipv6: { address: '10.0.0.1', gateway: 'fe80::1' } },
    { mac, ipv4: good, nameservers: ['resolver'] },
  ];
  for (const spec of bad) assert.throws(() => renderNetworkConfig(spec), InputError);
});
