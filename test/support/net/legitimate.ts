import {
  arp,
  BROADCAST,
  dhcp,
  ETHERTYPE,
  ethernet,
  fragmentHeader,
  icmpv6,
  ipv4,
  ipv6,
  ndMac,
  ndTarget,
  solicitedNode,
  udp,
} from './frames.ts';
import { HOST, LAN, VM } from './segment.ts';

/** A frame and the ports at which it must come out. */
export interface Sent {
  name: string;
  frame: Buffer;
  at: readonly ('lan' | 'host')[];
}

const toLan = (payload: Buffer, type: number): Buffer => ethernet(LAN.mac, VM.mac, type, payload);
const all = ['lan', 'host'] as const;
const data = Buffer.alloc(64, 'x');
const nothing = { mac: '00:00:00:00:00:00' };
const own = solicitedNode(VM.ipv6);
const ownLocal = solicitedNode(VM.linkLocal);
const lanNode = solicitedNode(LAN.ipv6);
/** Hop-by-hop header with the router alert that MLD carries (RFC 3810). */
const ROUTER_ALERT = { number: 0, rest: Buffer.from([0, 5, 2, 0, 0, 1, 0]) };
const v4 = (payload: Buffer): Buffer => toLan(payload, ETHERTYPE.ipv4);
const v6 = (payload: Buffer): Buffer => toLan(payload, ETHERTYPE.ipv6);
const group = (to: string, payload: Buffer, type: number): Buffer =>
  ethernet(to, VM.mac, type, payload);

/** What any guest does in a day. */
export const LEGITIMATE: readonly Sent[] = [
  {
    name: 'ARP request',
    at: all,
    frame: group(
      BROADCAST,
      arp({ operation: 1, sender: { ...VM, ip: VM.ipv4 }, target: { ...nothing, ip: LAN.ipv4 } }),
      ETHERTYPE.arp,
    ),
  },
  {
    name: 'ARP reply',
    at: ['lan'],
    frame: toLan(
      arp({ operation: 2, sender: { ...VM, ip: VM.ipv4 }, target: { ...LAN, ip: LAN.ipv4 } }),
      ETHERTYPE.arp,
    ),
  },
  {
    name: 'ARP announcement',
    at: all,
    frame: group(
      BROADCAST,
      arp({ operation: 1, sender: { ...VM, ip: VM.ipv4 }, target: { ...nothing, ip: VM.ipv4 } }),
      ETHERTYPE.arp,
    ),
  },
  {
    name: 'ARP probe of its own address',
    at: all,
    frame: group(
      BROADCAST,
      arp({ operation: 1, sender: { ...VM, ip: '0.0.0.0' }, target: { ...nothing, ip: VM.ipv4 } }),
      ETHERTYPE.arp,
    ),
  },
  {
    name: 'IPv4',
    at: ['lan'],
    frame: v4(ipv4({ from: VM.ipv4, to: LAN.ipv4, protocol: 17, payload: udp(4000, 53) })),
  },
  {
    name: 'IPv4 to the host',
    at: ['host'],
    frame: ethernet(
      HOST.mac,
      VM.mac,
      ETHERTYPE.ipv4,
      ipv4({ from: VM.ipv4, to: HOST.ipv4, protocol: 17, payload: udp(4000, 53) }),
    ),
  },
  {
    name: 'first IPv4 fragment',
    at: ['lan'],
    frame: v4(
      ipv4({ from: VM.ipv4, to: LAN.ipv4, protocol: 17, payload: udp(4000, 53, data), more: true }),
    ),
  },
  {
    name: 'last IPv4 fragment',
    at: ['lan'],
    frame: v4(ipv4({ from: VM.ipv4, to: LAN.ipv4, protocol: 17, payload: data, offset: 72 })),
  },
  {
    name: 'DHCP discover',
    at: all,
    frame: group(
      BROADCAST,
      ipv4({
        from: '0.0.0.0',
        to: '255.255.255.255',
        protocol: 17,
        payload: udp(68, 67, dhcp({ op: 1, type: 1, chaddr: VM.mac })),
      }),
      ETHERTYPE.ipv4,
    ),
  },
  {
    name: 'DHCP renewal',
    at: ['lan'],
    frame: v4(
      ipv4({
        from: VM.ipv4,
        to: LAN.ipv4,
        protocol: 17,
        payload: udp(68, 67, dhcp({ op: 1, type: 3, chaddr: VM.mac })),
      }),
    ),
  },
  {
    name: 'IGMP report',
    at: ['lan'],
    frame: group(
      '01:00:5e:00:00:16',
      ipv4({
        from: VM.ipv4,
        to: '224.0.0.22',
        protocol: 2,
        options: Buffer.from([0x94, 4, 0, 0]),
        payload: Buffer.from([0x22, 0, 0xdd, 0xff, 0, 0, 0, 0]),
      }),
      ETHERTYPE.ipv4,
    ),
  },
  {
    name: 'IPv6',
    at: ['lan'],
    frame: v6(ipv6({ from: VM.ipv6, to: LAN.ipv6, next: 17, payload: udp(4000, 53) })),
  },
  {
    name: 'IPv6 from the link-local address',
    at: ['lan'],
    frame: v6(ipv6({ from: VM.linkLocal, to: LAN.linkLocal, next: 17, payload: udp(546, 547) })),
  },
  {
    name: 'echo request over IPv6',
    at: ['lan'],
    frame: v6(ipv6({ from: VM.ipv6, to: LAN.ipv6, next: 58, payload: icmpv6(128, data) })),
  },
  {
    name: 'first IPv6 fragment',
    at: ['lan'],
    frame: v6(
      ipv6({
        from: VM.ipv6,
        to: LAN.ipv6,
        next: 58,
        payload: icmpv6(128, data),
        headers: [{ number: 44, rest: fragmentHeader(0, true) }],
      }),
    ),
  },
  {
    name: 'last IPv6 fragment',
    at: ['lan'],
    frame: v6(
      ipv6({
        from: VM.ipv6,
        to: LAN.ipv6,
        next: 17,
        payload: data,
        headers: [{ number: 44, rest: fragmentHeader(72, false) }],
      }),
    ),
  },
  ...[VM.ipv6, VM.linkLocal].flatMap((from): Sent[] => [
    {
      name: `neighbour solicitation from ${from}`,
      at: ['lan'],
      frame: group(
        lanNode.mac,
        ipv6({
          from,
          to: lanNode.group,
          next: 58,
          payload: icmpv6(135, ndTarget(LAN.ipv6), ndMac(1, VM.mac)),
        }),
        ETHERTYPE.ipv6,
      ),
    },
    {
      name: `neighbour advertisement for ${from}`,
      at: ['lan'],
      frame: v6(
        ipv6({
          from,
          to: LAN.ipv6,
          next: 58,
          payload: icmpv6(136, ndTarget(from, 0x60), ndMac(2, VM.mac)),
        }),
      ),
    },
  ]),
  {
    name: 'neighbour solicitation to one, without option',
    at: ['lan'],
    frame: v6(
      ipv6({ from: VM.ipv6, to: LAN.ipv6, next: 58, payload: icmpv6(135, ndTarget(LAN.ipv6)) }),
    ),
  },
  ...[
    { node: own, address: VM.ipv6, nonce: Buffer.alloc(0) },
    { node: own, address: VM.ipv6, nonce: Buffer.from([14, 1, 1, 2, 3, 4, 5, 6]) },
    { node: ownLocal, address: VM.linkLocal, nonce: Buffer.alloc(0) },
  ].map(
    ({ node, address, nonce }, i): Sent => ({
      name: `detection of duplicates ${i}`,
      at: ['lan'],
      frame: group(
        node.mac,
        ipv6({
          from: '::',
          to: node.group,
          next: 58,
          payload: icmpv6(135, ndTarget(address), nonce),
        }),
        ETHERTYPE.ipv6,
      ),
    }),
  ),
  {
    name: 'router solicitation',
    at: ['lan'],
    frame: group(
      '33:33:00:00:00:02',
      ipv6({
        from: VM.linkLocal,
        to: 'ff02::2',
        next: 58,
        payload: icmpv6(133, Buffer.alloc(4), ndMac(1, VM.mac)),
      }),
      ETHERTYPE.ipv6,
    ),
  },
  ...['::', VM.linkLocal].map(
    (from): Sent => ({
      name: `MLD report from ${from}`,
      at: ['lan'],
      frame: group(
        '33:33:00:00:00:16',
        ipv6({
          from,
          to: 'ff02::16',
          next: 58,
          payload: icmpv6(143, Buffer.from([0, 0, 0, 0])),
          headers: [ROUTER_ALERT],
        }),
        ETHERTYPE.ipv6,
      ),
    }),
  ),
];
