import * as net from 'node:net';
import { InputError } from '../../errors.ts';
import { specialUse } from '../../host/ipv4.ts';
import { formatIpv6, ipv6ToNumber } from '../../host/ipv6.ts';
import { quote } from '../../types.ts';

/** What a VM may call itself on its tap. */
export interface Guard {
  tap: string;
  mac: string;
  /** "" when the VM asks by DHCP: then it may use what a DHCP server has given it. */
  ipv4: string;
  /** "" for link-local only. */
  ipv6: string;
}

/** The same guard, written in the one way the kernel's listing writes it. @throws InputError for anything else. */
export function normalGuard({ tap, mac, ipv4, ipv6 }: Guard): Guard {
  check(/^tap\d{1,8}i0$/.test(tap), 'tap name', tap);
  check(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac) && !isGroup(mac), 'MAC address', mac);
  check(ipv4 === '' || (net.isIPv4(ipv4) && specialUse(ipv4) === undefined), 'IPv4 address', ipv4);
  check(ipv6 === '' || (net.isIPv6(ipv6) && isHostIpv6(ipv6)), 'IPv6 address', ipv6);
  return {
    tap,
    mac: mac.toLowerCase(),
    ipv4,
    ipv6: ipv6 === '' ? '' : formatIpv6(ipv6ToNumber(ipv6)),
  };
}

/** The address a guest gives itself: fe80::/64 and the modified EUI-64 of its MAC (RFC 4291, appendix A). */
export function linkLocalOf(mac: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac.split(':').map((x) => Number(`0x${x}`));
  const groups = [((a ^ 2) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f];
  return formatIpv6(ipv6ToNumber(`fe80::${groups.map((g) => g.toString(16)).join(':')}`));
}

function isGroup(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
}

function isHostIpv6(address: string): boolean {
  // An unicast address of a network: not ::1 and its like, whose upper half is zero, nor multicast, nor a link-local
  // one, which another machine on the link has made from its MAC.
  const isLocalOrGroup = /^(ff|fe[89ab])/i.test(address);
  return !address.includes('%') && !isLocalOrGroup && ipv6ToNumber(address) >> 64n !== 0n;
}

function check(good: boolean, what: string, found: string): void {
  if (!good) throw new InputError(`${quote(found)} is not a valid ${what}`);
}
