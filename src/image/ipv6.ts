import * as net from 'node:net';
import { InputError } from '../errors.ts';
import { formatIpv6, ipv6ToNumber } from '../host/ipv6.ts';
import { quote } from '../types.ts';

/** The first address after the network's own: the VMs' IPv6 gateway (contract §9). `fd00:1::/64` gives `fd00:1::1`. */
export function firstHostOf(prefix: string): string {
  const [network = '', length = ''] = prefix.split('/');
  const bits = Number(length);
  if (!net.isIPv6(network) || network.includes('%') || !/^\d{1,3}$/.test(length) || bits > 127)
    throw new InputError(`${quote(prefix)} is not an IPv6 prefix such as fd00:1::/64`);
  const host = (1n << BigInt(128 - bits)) - 1n;
  return formatIpv6((ipv6ToNumber(network) & ~host) + 1n);
}
