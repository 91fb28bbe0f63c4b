import * as net from 'node:net';
import { InputError } from '../errors.ts';
import { quote } from '../types.ts';
import { yamlText } from './yaml-text.ts';

export interface NetworkSpec {
  mac: string;
  ipv4: 'dhcp' | { address: string; prefixLength: number; gateway?: string | undefined };
  /** A single address, routed to the VM by the host; `gateway` is the prefix's first address (contract §9). */
  ipv6?: { address: string; gateway: string } | undefined;
  /** Resolvers; none with DHCP means those of the lease. */
  nameservers?: readonly string[] | undefined;
  /** Further cards, each with one address and no way out. */
  more?: readonly { mac: string; address: string; prefixLength: number }[] | undefined;
}

/**
 * cloud-init's network-config, netplan version 2. The card is found by its MAC and called eth0 whatever
 * the guest would have called it.
 */
export function renderNetworkConfig(spec: NetworkSpec): string {
  check(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(spec.mac), 'MAC address', spec.mac);
  const addresses: string[] = [];
  const routes: Route[] = [];
  if (spec.ipv4 !== 'dhcp') {
    const { address, prefixLength, gateway } = spec.ipv4;
    check(net.isIPv4(address), 'IPv4 address', address);
    check(
      Number.isInteger(prefixLength) && prefixLength >= 1 && prefixLength <= 32,
      'IPv4 prefix length',
      prefixLength,
    );
    addresses.push(`${address}/${prefixLength}`);
    if (gateway !== undefined) {
      check(net.isIPv4(gateway), 'IPv4 gateway', gateway);
      routes.push({ to: 'default', via: gateway });
    }
  }
  if (spec.ipv6 !== undefined) {
    const { address, gateway } = spec.ipv6;
    check(net.isIPv6(address), 'IPv6 address', address);
    check(net.isIPv6(gateway), 'IPv6 gateway', gateway);
    addresses.push(`${address}/128`);
    // The gateway lies outside the /128, so it needs a route of its own; renderers that drop routes
    // without `via` still understand on-link.
    routes.push({ to: `${gateway}/128`, scope: 'link' });
    routes.push({ to: '::/0', via: gateway, 'on-link': true });
  }
  const nameservers = spec.nameservers ?? [];
  for (const server of nameservers) check(net.isIP(server) !== 0, 'nameserver address', server);
  return yamlText({
    version: 2,
    ethernets: {
      nic0: {
        match: { macaddress: spec.mac.toLowerCase() },
        'set-name': 'eth0',
        ...(spec.ipv4 === 'dhcp' ? { dhcp4: true } : {}),
        ...(addresses.length === 0 ? {} : { addresses }),
        ...(routes.length === 0 ? {} : { routes }),
        // A router that announces itself would become a second, equal way out.
        ...(spec.ipv6 === undefined ? {} : { 'accept-ra': false }),
        ...(nameservers.length === 0 ? {} : { nameservers: { addresses: nameservers } }),
      },
      ...Object.fromEntries((spec.more ?? []).map(furtherCard)),
    },
  });
}

function furtherCard(
  { mac, address, prefixLength }: { mac: string; address: string; prefixLength: number },
  index: number,
): [string, object] {
  check(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac), 'MAC address', mac);
  check(net.isIPv4(address), 'IPv4 address', address);
  const card = {
    match: { macaddress: mac.toLowerCase() },
    'set-name': `eth${index + 1}`,
    addresses: [`${address}/${prefixLength}`],
  };
  return [`nic${index + 1}`, card];
}

type Route =
  | { to: string; via: string; 'on-link'?: boolean }
  | { to: string; scope: 'link'; via?: undefined };

function check(good: boolean, what: string, found: unknown): void {
  if (!good) throw new InputError(`${quote(found)} is not a valid ${what}`);
}
