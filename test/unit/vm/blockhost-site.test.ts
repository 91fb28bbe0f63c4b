import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { HelperClient } from '../../../src/store/helper-client.ts';
import { BlockhostSite } from '../../../src/vm/blockhost-site.ts';
import { blockhostFiles, helperCommand } from '../../support/blockhost/host.ts';

const guest = {
  name: 'blockhost-001',
  username: 'admin',
  wallet: '0xabc',
  nftTokenId: null,
  ip: '192.0.2.10',
  ipv6: '',
  sshKeys: [],
};

test('user-data is by BlockHost’s template, with a secret of its own for each VM', async (t) => {
  const { site } = fresh(t);
  const [one, two] = [await site.userData(guest), await site.userData(guest)];
  const data = parse(one) as { hostname: string; fqdn: string; users: { gecos: string }[] };
  assert.equal(data.hostname, 'blockhost-001');
  assert.equal(data.fqdn, 'blockhost-001.local');
  assert.equal(data.users[0]?.gecos, 'wallet=0xabc');
  assert.match(one, /otp = "6 300"/);
  assert.match(one, /https:\/\/192\.0\.2\.10:8443/);
  assert.match(one, /domain = ""/);
  assert.match(one, /secret_key = "[0-9a-f]{64}"/);
  assert.match(one, /\$\{NOT_A_VARIABLE\}/);
  assert.notEqual(one, two);
});

test('an IPv6 address signs in brackets, and by its name where the broker has a zone', async (t) => {
  const { site, etc } = fresh(t);
  const ipv6 = '2001:db8::1:0:0:a5';
  assert.match(await site.userData({ ...guest, ipv6 }), /https:\/\/\[2001:db8::1:0:0:a5\]:8443/);
  fs.writeFileSync(
    path.join(etc, 'broker-allocation.json'),
    JSON.stringify({ prefix: '2001:db8:0:0:1::a0/123', dns_zone: 'vms.example.org' }),
  );
  const named = await site.userData({ ...guest, ipv6 });
  assert.match(named, /fqdn: 10000000000a5\.vms\.example\.org/);
  assert.match(named, /https:\/\/10000000000a5\.vms\.example\.org:8443/);
  assert.match(named, /domain = "10000000000a5\.vms\.example\.org"/);
  assert.equal(await site.ipv6Gateway(ipv6), '2001:db8::1:0:0:a1');
});

test('one-time codes are as web3-defaults.yaml says', async (t) => {
  const { site, etc } = fresh(t);
  fs.writeFileSync(
    path.join(etc, 'web3-defaults.yaml'),
    'auth: {otp_length: 8, otp_ttl_seconds: 120}',
  );
  assert.match(await site.userData(guest), /otp = "8 120"/);
});

test('values that are odd leave the defaults, files that are damaged are named', async (t) => {
  const { site, etc, files } = fresh(t);
  const [web3, broker] = ['web3-defaults.yaml', 'broker-allocation.json'].map((name) =>
    path.join(etc, name),
  ) as [string, string];
  const ipv6 = '2001:db8::a5';
  // Opened before they are: the database reads the broker's, too.
  await site.userData(guest);
  fs.writeFileSync(web3, 'auth: [6, 300]');
  fs.writeFileSync(broker, JSON.stringify({ prefix: 'none', dns_zone: 7 }));
  assert.match(await site.userData({ ...guest, ipv6 }), /otp = "6 300"/);
  assert.equal(await site.ipv6Gateway(ipv6), '');
  fs.writeFileSync(web3, 'auth: {otp_length: [');
  await assert.rejects(
    site.userData(guest),
    /web3-defaults\.yaml is damaged: it is not valid YAML/,
  );
  fs.writeFileSync(web3, '[]');
  fs.writeFileSync(broker, '{"prefix":\n');
  await assert.rejects(site.userData(guest), /broker-allocation\.json is damaged: it is not valid/);
  await assert.rejects(fresh(t, files).site.userData(guest), /broker-allocation\.json is damaged/);
});

function fresh(t: TestContext, files = blockhostFiles(t)) {
  const helper = new HelperClient(helperCommand(files));
  t.after(() => helper.close());
  const directories = { etc: files.etc, run: files.etc, share: files.etc };
  return { etc: files.etc, files, site: new BlockhostSite(directories, helper) };
}
