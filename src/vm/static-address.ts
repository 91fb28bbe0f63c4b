import * as net from 'node:net';
import { InputError } from '../errors.ts';
import { formatIpv4, ipv4ToNumber, networkOf, specialUse } from '../host/ipv4.ts';
import { quote } from '../types.ts';

export interface StaticAddress {
  address: string;
  prefixLength: number;
  gateway: string | undefined;
}

const SUCH_AS = 'use one such as 192.168.56.10/24';

/** `ADDRESS/PREFIX` that a host on that network can have. @throws InputError naming the option and what it was given. */
export function parseAddress(option: string, text: string): Omit<StaticAddress, 'gateway'> {
  const [, address = '', length] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const prefixLength = Number(length);
  if (!net.isIPv4(address) || !(prefixLength >= 1 && prefixLength <= 30)) {
    throw new InputError(
      `${option} ${quote(text)} is not an address with the length of its prefix`,
      { hint: SUCH_AS },
    );
  }
  // RFC 3927 forbids to configure what hosts without an address choose for themselves.
  const use = address.startsWith('169.254.') ? 'that hosts choose themselves' : specialUse(address);
  if (use !== undefined) {
    throw new InputError(`${option} ${quote(text)} is an address ${use}`, { hint: SUCH_AS });
  }
  assertHost(option, text, address, prefixLength);
  return { address, prefixLength };
}

/** @throws InputError when the guest could not reach it from its own address. */
export function parseGateway(
  text: string,
  { address, prefixLength }: Omit<StaticAddress, 'gateway'>,
): string {
  const { first, last } = networkOf(address, prefixLength);
  const value = net.isIPv4(text) ? ipv4ToNumber(text) : Number.NaN;
  if (value > first && value < last && text !== address) return text;
  throw new InputError(
    `--gateway ${quote(text)} is not another address on the network of --address ${address}/${prefixLength}`,
    { hint: hostsOf(first, last) },
  );
}

function assertHost(option: string, text: string, address: string, prefixLength: number): void {
  const { first, last } = networkOf(address, prefixLength);
  const value = ipv4ToNumber(address);
  if (value > first && value < last) return;
  const whose =
    value === first ? 'the address of the network itself' : "the network's broadcast address";
  throw new InputError(`${option} ${quote(text)} is ${whose}`, { hint: hostsOf(first, last) });
}

function hostsOf(first: number, last: number): string {
  return `use one from ${formatIpv4(first + 1)} to ${formatIpv4(last - 1)}`;
}
