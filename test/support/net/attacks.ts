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
  ipv6Bytes,
  ndMac,
  ndTarget,
  solicitedNode,
  tagged,
  udp,
} from './frames.ts';
import { HOST, LAN, NEIGHBOUR, VM } from './segment.ts';

/** A frame that must not come out of any port. */
export interface Attack {
  name: string;
  frame: Buffer;
}

const { arp: ARP, ipv4: IPV4, ipv6: IPV6 } = ETHERTYPE;
const from = (mac: string, to: string, type: number, payload: Buffer): Buffer =>
  ethernet(to, mac, type, payload);
const v4 = (payload: Buffer, to = LAN.mac): Buffer => from(VM.mac, to, IPV4, payload);
const v6 = (payload: Buffer, to = LAN.mac): Buffer => from(VM.mac, to, IPV6, payload);
const ownV4 = (protocol: number, payload: Buffer): Buffer =>
  ipv4({ from: VM.ipv4, to: LAN.ipv4, protocol, payload });
const arpFrame = (
  operation: 1 | 2,
  sender: { mac: string; ip: string },
  target: string,
  to = BROADCAST,
): Buffer =>
  from(
    VM.mac,
    to,
    ARP,
    arp({ operation, sender, target: { mac: '00:00:00:00:00:00', ip: target } }),
  );
const plainUdp = v4(ownV4(17, udp(4000, 53)));
const all = { mac: '33:33:00:00:00:01', group: 'ff02::1' };
const router = icmpv6(134, Buffer.from([64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]), ndMac(1, VM.mac));
const nd = (source: string, to: { mac: string; group: string }, message: Buffer): Buffer =>
  v6(ipv6({ from: source, to: to.group, next: 58, payload: message }), to.mac);
const neighbourNode = solicitedNode(NEIGHBOUR.ipv6);
const neighbourAdvert = icmpv6(136, ndTarget(NEIGHBOUR.ipv6, 0x20), ndMac(2, VM.mac));
const offerFrom = (port: number, to = BROADCAST): Buffer =>
  v4(
    ipv4({
      ...{ from: VM.ipv4, to: '255.255.255.255', protocol: 17 },
      payload: udp(port, 68, dhcp({ op: 2, type: 2, chaddr: LAN.mac, yiaddr: '192.0.2.66' })),
    }),
    to,
  );
/** A destination options header of eight bytes. */
const OPTIONS = { number: 60, rest: Buffer.from([0, 1, 4, 0, 0, 0, 0]) };

const SPOOFED_SOURCES: Attack[] = [
  {
    name: "the neighbour's MAC",
    frame: from(NEIGHBOUR.mac, LAN.mac, IPV4, ownV4(17, udp(4000, 53))),
  },
  { name: "the host's MAC", frame: from(HOST.mac, LAN.mac, IPV4, ownV4(17, udp(4000, 53))) },
  {
    name: "the neighbour's MAC in ARP and on the frame",
    frame: from(
      NEIGHBOUR.mac,
      BROADCAST,
      ARP,
      arp({
        operation: 1,
        sender: { mac: NEIGHBOUR.mac, ip: NEIGHBOUR.ipv4 },
        target: { mac: BROADCAST, ip: LAN.ipv4 },
      }),
    ),
  },
  ...[NEIGHBOUR.ipv4, HOST.ipv4, '192.0.2.99', '203.0.113.1', '127.0.0.1', '0.0.0.0'].map(
    (source) => ({
      name: `IPv4 from ${source}`,
      frame: v4(ipv4({ from: source, to: LAN.ipv4, protocol: 17, payload: udp(4000, 53) })),
    }),
  ),
  {
    name: 'IPv4 from the neighbour in a later fragment',
    frame: v4(
      ipv4({
        ...{ from: NEIGHBOUR.ipv4, to: LAN.ipv4, protocol: 17 },
        ...{ payload: Buffer.alloc(32), offset: 64 },
      }),
    ),
  },
  {
    name: 'IPv4 from the neighbour, broadcast',
    frame: v4(
      ipv4({ from: NEIGHBOUR.ipv4, to: '192.0.2.255', protocol: 17, payload: udp(4000, 53) }),
      BROADCAST,
    ),
  },
  ...[NEIGHBOUR.ipv6, NEIGHBOUR.linkLocal, HOST.ipv6, 'fd00:1::99', '2001:db8::1'].map(
    (source) => ({
      name: `IPv6 from ${source}`,
      frame: v6(ipv6({ from: source, to: LAN.ipv6, next: 17, payload: udp(4000, 53) })),
    }),
  ),
  {
    name: 'IPv6 from nobody, not for detection of duplicates',
    frame: v6(ipv6({ from: '::', to: LAN.ipv6, next: 17, payload: udp(4000, 53) })),
  },
  {
    name: 'IPv6 from the neighbour in a later fragment',
    frame: v6(
      ipv6({
        ...{ from: NEIGHBOUR.ipv6, to: LAN.ipv6, next: 17, payload: Buffer.alloc(32) },
        headers: [{ number: 44, rest: fragmentHeader(64, false) }],
      }),
    ),
  },
];

const ARP_LIES: Attack[] = [
  {
    name: "ARP request with the neighbour's address",
    frame: arpFrame(1, { mac: VM.mac, ip: NEIGHBOUR.ipv4 }, LAN.ipv4),
  },
  {
    name: "announcement of the gateway's address",
    frame: arpFrame(1, { mac: VM.mac, ip: HOST.ipv4 }, HOST.ipv4),
  },
  {
    name: 'announcement by a reply',
    frame: arpFrame(2, { mac: VM.mac, ip: HOST.ipv4 }, HOST.ipv4),
  },
  {
    name: 'reply in place of the neighbour',
    frame: arpFrame(2, { mac: VM.mac, ip: NEIGHBOUR.ipv4 }, LAN.ipv4, LAN.mac),
  },
  {
    name: "own address at the neighbour's MAC",
    frame: arpFrame(1, { mac: NEIGHBOUR.mac, ip: VM.ipv4 }, LAN.ipv4),
  },
  {
    name: "probe of the neighbour's address",
    frame: arpFrame(1, { mac: VM.mac, ip: '0.0.0.0' }, NEIGHBOUR.ipv4),
  },
  {
    name: 'reply from 0.0.0.0',
    frame: arpFrame(2, { mac: VM.mac, ip: '0.0.0.0' }, VM.ipv4),
  },
  {
    name: 'reverse ARP operation',
    frame: mangled(arpFrame(1, { mac: VM.mac, ip: VM.ipv4 }, LAN.ipv4), 21, 3),
  },
  {
    name: 'ARP of another hardware type',
    frame: mangled(arpFrame(1, { mac: VM.mac, ip: VM.ipv4 }, LAN.ipv4), 15, 6),
  },
];

const DISCOVERY_LIES: Attack[] = [
  {
    name: "advertisement for the neighbour, from one's own address",
    frame: nd(VM.ipv6, all, neighbourAdvert),
  },
  {
    name: 'advertisement for the neighbour, from its address',
    frame: nd(NEIGHBOUR.ipv6, all, neighbourAdvert),
  },
  {
    name: "advertisement for the gateway's address",
    frame: nd(VM.linkLocal, all, icmpv6(136, ndTarget(HOST.ipv6, 0xa0), ndMac(2, VM.mac))),
  },
  {
    name: "own advertisement with the neighbour's MAC",
    frame: nd(VM.ipv6, all, icmpv6(136, ndTarget(VM.ipv6, 0x20), ndMac(2, NEIGHBOUR.mac))),
  },
  {
    name: 'own advertisement with a second option',
    frame: nd(
      VM.ipv6,
      all,
      icmpv6(136, ndTarget(VM.ipv6, 0x20), ndMac(2, VM.mac), ndMac(2, NEIGHBOUR.mac)),
    ),
  },
  {
    name: "solicitation from the neighbour's address",
    frame: nd(
      NEIGHBOUR.ipv6,
      solicitedNode(LAN.ipv6),
      icmpv6(135, ndTarget(LAN.ipv6), ndMac(1, VM.mac)),
    ),
  },
  {
    name: "own solicitation with the neighbour's MAC",
    frame: nd(
      VM.ipv6,
      solicitedNode(LAN.ipv6),
      icmpv6(135, ndTarget(LAN.ipv6), ndMac(1, NEIGHBOUR.mac)),
    ),
  },
  {
    name: "detection of duplicates for the neighbour's address",
    frame: nd('::', neighbourNode, icmpv6(135, ndTarget(NEIGHBOUR.ipv6))),
  },
  {
    name: 'advertisement for the neighbour behind a destination options header',
    frame: v6(
      ipv6({
        ...{ from: VM.ipv6, to: all.group, next: 58, payload: neighbourAdvert },
        headers: [OPTIONS],
      }),
      all.mac,
    ),
  },
  {
    name: 'advertisement for the neighbour in a fragment',
    frame: v6(
      ipv6({
        ...{ from: VM.ipv6, to: all.group, next: 58, payload: neighbourAdvert },
        headers: [{ number: 44, rest: fragmentHeader(0, false) }],
      }),
      all.mac,
    ),
  },
  {
    name: 'redirect',
    frame: nd(
      VM.linkLocal,
      all,
      icmpv6(137, ndTarget(NEIGHBOUR.ipv6), ipv6Bytes('2001:db8::1'), ndMac(2, VM.mac)),
    ),
  },
];

const ROUTERS_AND_SERVERS: Attack[] = [
  { name: 'router advertisement', frame: nd(VM.linkLocal, all, router) },
  { name: 'router advertisement from the gateway', frame: nd(HOST.linkLocal, all, router) },
  {
    name: 'router advertisement behind a destination options header',
    frame: v6(
      ipv6({
        ...{ from: VM.linkLocal, to: all.group, next: 58, payload: router },
        headers: [OPTIONS],
      }),
      all.mac,
    ),
  },
  {
    name: 'first fragment that hides what it is part of',
    frame: v6(
      ipv6({
        ...{ from: VM.linkLocal, to: all.group, next: 60, payload: Buffer.alloc(0) },
        headers: [{ number: 44, rest: fragmentHeader(0, true) }],
      }),
      all.mac,
    ),
  },
  { name: 'DHCP offer', frame: offerFrom(67) },
  { name: 'DHCP offer from another port', frame: offerFrom(6767) },
  { name: "DHCP offer from a client's port, to one", frame: offerFrom(68, LAN.mac) },
  { name: 'DHCP offer under a wrong version of IP', frame: mangled(offerFrom(67), 14, 0x65) },
  { name: 'DHCP offer longer than its frame', frame: mangled(offerFrom(67), 16, 0x7f) },
  {
    name: 'DHCP offer, first fragment',
    frame: v4(
      ipv4({
        ...{ from: VM.ipv4, to: LAN.ipv4, protocol: 17, more: true },
        payload: udp(67, 68, dhcp({ op: 2, type: 2, chaddr: LAN.mac })).subarray(0, 8),
      }),
    ),
  },
  {
    name: "DHCP request with another's hardware address",
    frame: v4(
      ipv4({
        ...{ from: '0.0.0.0', to: '255.255.255.255', protocol: 17 },
        payload: udp(68, 67, dhcp({ op: 1, type: 1, chaddr: NEIGHBOUR.mac })),
      }),
      BROADCAST,
    ),
  },
  {
    name: 'DHCPv6 advertise',
    frame: v6(ipv6({ from: VM.linkLocal, to: LAN.linkLocal, next: 17, payload: udp(547, 546) })),
  },
  {
    name: 'DHCPv6 advertise from another port',
    frame: v6(ipv6({ from: VM.linkLocal, to: LAN.linkLocal, next: 17, payload: udp(1547, 546) })),
  },
  ...[
    { name: 'ICMP router advertisement', message: [9, 0, 0, 0, 1, 2, 7, 8, 192, 0, 2, 10] },
    { name: 'ICMP redirect', message: [5, 1, 0, 0, 192, 0, 2, 10] },
  ].map(({ name, message }) => ({ name, frame: v4(ownV4(1, Buffer.from(message))) })),
  {
    name: 'VRRP',
    frame: v4(
      ipv4({ from: VM.ipv4, to: '224.0.0.18', protocol: 112, payload: Buffer.alloc(20) }),
      '01:00:5e:00:00:12',
    ),
  },
  {
    name: 'VRRP over IPv6',
    frame: v6(
      ipv6({ from: VM.linkLocal, to: 'ff02::12', next: 112, payload: Buffer.alloc(20) }),
      '33:33:00:00:00:12',
    ),
  },
  {
    name: 'IGMP query',
    frame: v4(
      ipv4({
        ...{ from: VM.ipv4, to: '224.0.0.1', protocol: 2 },
        payload: Buffer.from([0x11, 0x64, 0xee, 0x9b, 0, 0, 0, 0]),
      }),
      '01:00:5e:00:00:01',
    ),
  },
  {
    name: 'MLD query',
    frame: nd(VM.linkLocal, all, icmpv6(130, Buffer.alloc(20))),
  },
  {
    name: 'PIM hello',
    frame: v4(
      ipv4({
        ...{ from: VM.ipv4, to: '224.0.0.13', protocol: 103 },
        payload: Buffer.from([0x20, 0, 0xdf, 0xff]),
      }),
      '01:00:5e:00:00:0d',
    ),
  },
];

const OTHER_LINK_LAYERS: Attack[] = [
  { name: 'VLAN tag', frame: tagged(plainUdp, { type: 0x8100, id: 5 }) },
  { name: 'priority tag', frame: tagged(plainUdp, { type: 0x8100, id: 0 }) },
  { name: 'provider tag', frame: tagged(plainUdp, { type: 0x88a8, id: 5 }) },
  {
    name: 'two tags',
    frame: tagged(plainUdp, { type: 0x8100, id: 1 }, { type: 0x8100, id: 5 }),
  },
  {
    name: 'ARP in a VLAN',
    frame: tagged(arpFrame(1, { mac: VM.mac, ip: VM.ipv4 }, LAN.ipv4), { type: 0x8100, id: 5 }),
  },
  ...[0x8847, 0x8863, 0x88cc, 0x8137, 0x88e5].map((type) => ({
    name: `ethertype 0x${type.toString(16)}`,
    frame: from(VM.mac, LAN.mac, type, Buffer.alloc(46)),
  })),
  {
    name: 'spanning tree',
    frame: from(
      VM.mac,
      '01:80:c2:00:00:00',
      38,
      Buffer.concat([Buffer.from([0x42, 0x42, 3]), Buffer.alloc(35)]),
    ),
  },
  { name: 'a length in place of a type', frame: from(VM.mac, BROADCAST, 46, Buffer.alloc(46)) },
];

/** Nothing of this is forged; it must not reach another VM all the same. */
export const TO_THE_NEIGHBOUR: readonly Attack[] = [
  {
    name: "to the neighbour's MAC and address",
    frame: v4(
      ipv4({ from: VM.ipv4, to: NEIGHBOUR.ipv4, protocol: 17, payload: udp(4000, 53) }),
      NEIGHBOUR.mac,
    ),
  },
  {
    name: "to the neighbour's MAC, IPv6",
    frame: v6(
      ipv6({ from: VM.ipv6, to: NEIGHBOUR.ipv6, next: 17, payload: udp(4000, 53) }),
      NEIGHBOUR.mac,
    ),
  },
  {
    name: 'broadcast',
    frame: v4(
      ipv4({ from: VM.ipv4, to: '192.0.2.255', protocol: 17, payload: udp(4000, 53) }),
      BROADCAST,
    ),
  },
  {
    name: "question for the neighbour's address, ARP",
    frame: arpFrame(1, { mac: VM.mac, ip: VM.ipv4 }, NEIGHBOUR.ipv4),
  },
  {
    name: "question for the neighbour's address, ND",
    frame: nd(VM.ipv6, neighbourNode, icmpv6(135, ndTarget(NEIGHBOUR.ipv6), ndMac(1, VM.mac))),
  },
  {
    name: 'ARP reply to the neighbour',
    frame: arpFrame(2, { mac: VM.mac, ip: VM.ipv4 }, NEIGHBOUR.ipv4, NEIGHBOUR.mac),
  },
];

export const ATTACKS: readonly Attack[] = [
  ...SPOOFED_SOURCES,
  ...ARP_LIES,
  ...DISCOVERY_LIES,
  ...ROUTERS_AND_SERVERS,
  ...OTHER_LINK_LAYERS,
];

/** What a machine of the network outside might send, and a VM should not get. */
export const FROM_OUTSIDE: readonly Attack[] = [
  {
    name: "somebody else's unicast, flooded",
    frame: ethernet(
      '52:54:00:00:00:77',
      LAN.mac,
      IPV4,
      ipv4({ from: LAN.ipv4, to: '192.0.2.77', protocol: 17, payload: udp(4000, 53) }),
    ),
  },
  {
    name: 'a VLAN',
    frame: tagged(
      ethernet(
        BROADCAST,
        LAN.mac,
        IPV4,
        ipv4({ from: LAN.ipv4, to: '192.0.2.255', protocol: 17, payload: udp(4000, 53) }),
      ),
      { type: 0x8100, id: 5 },
    ),
  },
  {
    name: 'another protocol',
    frame: ethernet(BROADCAST, LAN.mac, 0x8137, Buffer.alloc(46)),
  },
  {
    name: 'a router advertisement',
    frame: ethernet(
      all.mac,
      LAN.mac,
      IPV6,
      ipv6({ from: LAN.linkLocal, to: all.group, next: 58, payload: router }),
    ),
  },
];

/** The frame with one byte of it changed. */
function mangled(frame: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(frame);
  copy[at] = value;
  return copy;
}
