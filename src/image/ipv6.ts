import * as net from 'node:net';
import { InputError } from '../errors.ts';
import { quote } from '../types.ts';

/** The first address after the network's own: the VMs' IPv6 gateway (contract §9). `fd00:1::/64` gives `fd00:1::1`. */
export function firstHostOf(prefix: string): string {
  const [network = '', length = ''] = prefix.split('/');
  const bits = Number(length);
  if (!net.isIPv6(network) || network.includes('%') || !/^\d{1,3}$/.test(length) || bits > 127)
    throw new InputError(`${quote(prefix)} is not an IPv6 prefix such as fd00:1::/64`);
  const host = (1n << BigInt(128 - bits)) - 1n;
  return format((toNumber(network) & ~host) + 1n);
}

function toNumber(address: string): bigint {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const plain =
    dotted === null
      ? address
      : `${dotted[1]}${hex(Number(dotted[2]) * 256 + Number(dotted[3]))}:${hex(Number(dotted[4]) * 256 + Number(dotted[5]))}`;
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(missing).fill('0'), ...right];
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function format(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    hex(Number((value >> BigInt(112 - 16 * i)) & 0xffffn)),
  );
  // URL's host serialiser shortens as RFC 5952 asks.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function hex(value: number): string {
  return value.toString(16);
}
