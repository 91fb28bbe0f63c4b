import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../../src/errors.ts';
import { parseSegment } from '../../../src/vm/extras.ts';
import { parseAddress, parseGateway } from '../../../src/vm/static-address.ts';

/** As the user sees it, without the hint's place on the line. */
function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof InputError);
    return `${error.message}; ${error.hint}`;
  }
  return 'accepted';
}

test('addresses that a host on their network can have', () => {
  for (const [text, address, prefixLength] of [
    ['192.168.56.1/24', '192.168.56.1', 24],
    ['192.168.56.254/24', '192.168.56.254', 24],
    ['10.0.0.1/30', '10.0.0.1', 30],
    ['10.0.0.2/30', '10.0.0.2', 30],
    ['10.0.1.0/16', '10.0.1.0', 16],
    ['10.0.0.255/23', '10.0.0.255', 23],
    ['126.255.255.254/8', '126.255.255.254', 8],
    ['223.255.255.254/1', '223.255.255.254', 1],
    ['169.253.0.1/16', '169.253.0.1', 16],
  ] as const)
    assert.deepEqual(parseAddress('--address', text), { address, prefixLength });
});

const SUCH_AS = 'use one such as 192.168.56.10/24';
const REFUSED: readonly (readonly [text: string, why: string, hint: string])[] = [
  ...['', '10.0.0.1', '10.0.0.1/0', '10.0.0.1/31', '10.0.0.1/32', '10.0.0/24', 'fd00::1/64'].map(
    noAddress,
  ),
  ...['10.0.0.1/24/1', '10.0.0.1/x', '10.0.0.1/0x18', '10.0.0.1/ 24', '10.0.0.1/24.0'].map(
    noAddress,
  ),
  ...['10.0.0.1/024', '10.0.0.01/24', '10.0.0.256/24', ' 10.0.0.1/24', '10.0.0.1/24\n'].map(
    noAddress,
  ),
  ['192.168.56.0/24', 'is the address of the network itself', between('192.168.56', 1, 254)],
  ['10.0.0.4/30', 'is the address of the network itself', between('10.0.0', 5, 6)],
  ['192.168.56.255/24', "is the network's broadcast address", between('192.168.56', 1, 254)],
  ['10.0.0.127/25', "is the network's broadcast address", between('10.0.0', 1, 126)],
  ...['127.0.0.1/8', '127.1.2.3/24'].map((text) => special(text, 'for loopback')),
  ...['0.0.0.0/24', '0.1.2.3/8'].map((text) => special(text, 'of no network')),
  ...['224.0.0.1/24', '239.255.255.255/8'].map((text) => special(text, 'for multicast')),
  ...['240.0.0.1/24', '255.255.255.254/24'].map((text) => special(text, 'of nobody yet')),
  special('255.255.255.255/24', 'for broadcast'),
  special('169.254.1.1/16', 'that hosts choose themselves'),
];

for (const [text, why, hint] of REFUSED) {
  test(`refused, naming the option and what it was given: ${JSON.stringify(text)}`, () => {
    const ending = `${JSON.stringify(text)} ${why}; ${hint}`;
    assert.equal(
      refusal(() => parseAddress('--address', text)),
      `--address ${ending}`,
    );
    assert.equal(
      refusal(() => parseSegment(text)),
      `--private-network ${ending}`,
    );
  });
}

test('a gateway is another host on the network of the address', () => {
  const address = { address: '192.168.56.10', prefixLength: 24 };
  assert.equal(parseGateway('192.168.56.1', address), '192.168.56.1');
  for (const text of [
    ...['', 'x', 'fd00::1', '192.168.57.1', '192.168.56.1/24'],
    ...['192.168.56.0', '192.168.56.255', '192.168.56.10'],
  ])
    assert.equal(
      refusal(() => parseGateway(text, address)),
      `--gateway ${JSON.stringify(text)} is not another address on the network of ` +
        `--address 192.168.56.10/24; ${between('192.168.56', 1, 254)}`,
    );
});

function noAddress(text: string): [string, string, string] {
  return [text, 'is not an address with the length of its prefix', SUCH_AS];
}

function special(text: string, use: string): [string, string, string] {
  return [text, `is an address ${use}`, SUCH_AS];
}

function between(network: string, first: number, last: number): string {
  return `use one from ${network}.${first} to ${network}.${last}`;
}
