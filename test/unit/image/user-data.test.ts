import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { InputError } from '../../../src/errors.ts';
import { renderMetaData } from '../../../src/image/meta-data.ts';
import { renderUserData } from '../../../src/image/user-data.ts';
import { yamlText } from '../../../src/image/yaml-text.ts';

const spec = { username: 'admin', hostname: 'Web_1' };

test('the default account has sudo, no password and the wallet in its GECOS field', () => {
  const text = renderUserData({
    ...spec,
    wallet: '0xAbC',
    sshKeys: ['ssh-ed25519 AAAA me@home\n'],
  });
  assert.ok(text.startsWith('#cloud-config\n'));
  const config = parse(text);
  assert.equal(config.hostname, 'web-1');
  assert.deepEqual(config.users, [
    {
      name: 'admin',
      gecos: 'wallet=0xAbC',
      groups: ['sudo'],
      shell: '/bin/bash',
      sudo: ['ALL=(ALL) NOPASSWD:ALL'],
      lock_passwd: true,
      ssh_authorized_keys: ['ssh-ed25519 AAAA me@home'],
    },
  ]);
});

test('without a wallet and keys there is no trace of them', () => {
  const [user] = parse(renderUserData(spec)).users;
  assert.ok(!('gecos' in user) && !('ssh_authorized_keys' in user));
});

test('what would break out of passwd or authorized_keys is refused', () => {
  const bad = [
    { ...spec, username: 'root:x' },
    { ...spec, username: 'Admin' },
    { ...spec, wallet: 'a:/root' },
    { ...spec, wallet: 'a\nroot' },
    { ...spec, sshKeys: ['ssh-ed25519 AAAA x\nssh-ed25519 BBBB y'] },
    { ...spec, sshKeys: ['not a key at all!'] },
    { ...spec, hostname: '--' },
  ];
  for (const one of bad) assert.throws(() => renderUserData(one), InputError, JSON.stringify(one));
});

test('meta-data names the instance and lets the first stage of cloud-init do the work', () => {
  assert.deepEqual(parse(renderMetaData({ instanceId: 'web-1-abc', hostname: 'Web_1' })), {
    'instance-id': 'web-1-abc',
    'local-hostname': 'web-1',
    dsmode: 'local',
  });
  assert.throws(() => renderMetaData({ instanceId: 'a b', hostname: 'x' }), InputError);
});

test('JSON text is YAML with the same content, whatever characters it holds', () => {
  const value = { text: 'a"b\\c\n\t\u0000\u0007\u007f\u0085\u2028ä😀: - #', list: [1, null, true] };
  assert.deepEqual(parse(yamlText(value)), value);
  assert.ok(!/[\u007f\u0085\u2028]/.test(yamlText(value)));
});
