import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../../src/errors.ts';
import {
  assertDistinct,
  parseAddress,
  parseForward,
  parseSegment,
} from '../../../src/vm/extras.ts';
import { segmentOf } from '../../../src/vm/segments.ts';

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

test('what is no address with a prefix is refused', () => {
  for (const text of [
    '',
    '10.0.0.1',
    '10.0.0.1/0',
    '10.0.0.1/31',
    '10.0.0/24',
    'fd00::1/64',
    '10.0.0.1/24/1',
    '10.0.0.1/x',
  ])
    assert.throws(
      () => parseAddress('--address', text),
      /--address .* is not an address with/,
      text,
    );
});
