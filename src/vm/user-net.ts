import { ipv4ToNumber, networkOf } from '../host/ipv4.ts';

/** Addresses inside QEMU's user network (docs/system/devices/net.rst); each VM has one of its own. */
export const USER_NET = {
  network: '10.0.2.0/24',
  guest: '10.0.2.15',
  prefixLength: 24,
  gateway: '10.0.2.2',
  nameserver: '10.0.2.3',
} as const;

export function isInUserNet(address: string): boolean {
  const { first, last } = networkOf(USER_NET.guest, USER_NET.prefixLength);
  const value = ipv4ToNumber(address);
  return value >= first && value <= last;
}
