import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { readNetworkMode } from '../../../../src/host/blockhost/network-mode.ts';
import { assertWallet } from '../../../../src/host/blockhost/wallet.ts';
import { temporaryDirectory } from '../../../support/temporary.ts';

test('the network mode is the one that is enabled', (t) => {
  const etc = temporaryDirectory(t);
  const enabled = path.join(etc, 'network-modes.enabled');
  assert.throws(() => readNetworkMode(etc), /no network mode is enabled/);
  fs.mkdirSync(enabled);
  assert.throws(() => readNetworkMode(etc), /no network mode is enabled/);
  fs.writeFileSync(path.join(enabled, 'README'), '');
  fs.symlinkSync('../network-modes.available/onion.json', path.join(enabled, 'onion.json'));
  assert.throws(() => readNetworkMode(etc), /onion\.json is a link to nothing/);
  fs.mkdirSync(path.join(etc, 'network-modes.available'));
  fs.writeFileSync(path.join(etc, 'network-modes.available', 'onion.json'), '{}');
  assert.equal(readNetworkMode(etc), 'onion');
  fs.writeFileSync(path.join(enabled, 'broker.json'), '{}');
  assert.throws(() => readNetworkMode(etc), /2 network modes are enabled/);
});

const EVM = '^0x[0-9a-fA-F]{40}$';
const CARDANO = '^([0-9a-f]{56}|addr(_test)?1[0-9a-z]+)$';
const HEX40 = 'aB'.repeat(20);

for (const [manifest, wallet, good] of [
  [undefined, 'anything', true],
  [undefined, '', false],
  ['no json', 'anything', true],
  [JSON.stringify({ name: 'evm' }), 'anything', true],
  [JSON.stringify({ constraints: { address_pattern: '([' } }), 'anything', true],
  [JSON.stringify({ constraints: { address_pattern: EVM } }), `0x${HEX40}`, true],
  [JSON.stringify({ constraints: { address_pattern: EVM } }), `0x${HEX40}0`, false],
  [JSON.stringify({ constraints: { address_pattern: '0x[0-9a-fA-F]{40}' } }), `0x${HEX40}0`, false],
  [JSON.stringify({ constraints: { address_pattern: CARDANO } }), 'a1'.repeat(28), true],
  [JSON.stringify({ constraints: { address_pattern: CARDANO } }), 'addr_test1qz', true],
] as const) {
  test(`wallet ${JSON.stringify(wallet.slice(0, 12))} by ${manifest?.slice(0, 60)}: ${good}`, (t) => {
    const share = temporaryDirectory(t);
    if (manifest !== undefined) fs.writeFileSync(path.join(share, 'engine.json'), manifest);
    if (good) assertWallet(share, wallet);
    else assert.throws(() => assertWallet(share, wallet), /wallet/);
  });
}
