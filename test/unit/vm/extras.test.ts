import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../../src/errors.ts';
import {
  assertDistinct,
  checkExtras,
  type Extras,
  parseForward,
  parseSegment,
} from '../../../src/vm/extras.ts';
import { segmentOf } from '../../../src/vm/segments.ts';

const NOTHING: Extras = {
  ...{ hostname: undefined, address: undefined, wait: true },
  ...{ forwards: [], segments: [], disks: [], userData: [] },
};

test('a forwarding rule: protocol and address have defaults', () => {
  const rule = { protocol: 'tcp', host_ip: '127.0.0.1', host_port: 8080, guest_port: 80 };
  assert.deepEqual(parseForward('8080:80'), rule);
  assert.deepEqual(parseForward('tcp:127.0.0.1:8080:80'), rule);
  assert.deepEqual(parseForward('udp:0.0.0.0:53:5353'), {
    protocol: 'udp',
    host_ip: '0.0.0.0',
    host_port: 53,
    guest_port: 5353,
  });
});

test('what is no rule is refused: nothing of it may reach the command line of QEMU', () => {
  for (const text of [
    '',
    '80',
    ':80',
    '0:80',
    '80:65536',
    'sctp:1:2',
    '1.2.3:1:2',
    '999.1.1.1:1:2',
    '1:2,x',
    ' 1:2',
    '1:2\n',
  ])
    assert.throws(() => parseForward(text), InputError, text);
});

test('one port cannot be forwarded twice, but by two protocols or addresses it can', () => {
  const rules = ['1:2', 'udp:1:2', '127.0.0.2:1:2'].map(parseForward);
  assertDistinct(rules);
  assert.throws(
    () => assertDistinct([...rules, parseForward('1:3')]),
    /tcp port 1 of 127.0.0.1 twice/,
  );
});

test('addresses in one subnet are on one network, others and other states are not', () => {
  const at = (text: string, state = '/s') => {
    const { group, port } = segmentOf(parseSegment(text), state);
    return `${group}:${port}`;
  };
  assert.match(at('192.168.56.10/24'), /^239\.(19[2-9]|2[0-4]\d|25[0-5])\.\d+\.\d+:[23]\d{4}$/);
  assert.equal(at('192.168.56.10/24'), at('192.168.56.200/24'));
  assert.notEqual(at('192.168.56.10/24'), at('192.168.57.10/24'));
  assert.notEqual(at('192.168.56.10/24'), at('192.168.56.10/25'));
  assert.notEqual(at('192.168.56.10/24'), at('192.168.56.10/24', '/other'));
  assert.equal(at('10.1.2.3/8'), at('10.200.0.1/8'));
});

test('a private network beside user networking is another one than the user network', () => {
  const check = (text: string, network: 'user' | 'bridge') =>
    checkExtras({ ...NOTHING, segments: [parseSegment(text)] }, network);
  for (const text of ['10.0.2.1/24', '10.0.2.15/25', '10.0.2.254/16']) {
    assert.throws(
      () => check(text, 'user'),
      new RegExp(`--private-network ${text} lies in 10.0.2.0/24, which is the VM's user network`),
    );
    check(text, 'bridge');
  }
  for (const text of ['10.0.1.255/16', '10.0.3.1/24', '10.9.0.1/8']) check(text, 'user');
});
