import * as net from 'node:net';
import { ipv6ToNumber } from '../../../src/host/ipv6.ts';

// Ethernet frames by hand: what a guest's own network stack would never send is the point of them.

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';
export const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;

export function ethernet(to: string, from: string, type: number, payload: Buffer): Buffer {
  return Buffer.concat([macBytes(to), macBytes(from), u16(type), payload]);
}

/** 802.1Q or 802.1ad tags in front of the frame's own type, outermost first. */
export function tagged(frame: Buffer, ...tags: { type: number; id: number }[]): Buffer {
  const headers = tags.map(({ type, id }) => Buffer.concat([u16(type), u16(id)]));
  return Buffer.concat([frame.subarray(0, 12), ...headers, frame.subarray(12)]);
}

export interface Arp {
  operation: 1 | 2;
  sender: { mac: string; ip: string };
  target: { mac: string; ip: string };
}

export function arp({ operation, sender, target }: Arp): Buffer {
  return Buffer.concat([
    u16(1),
    u16(ETHERTYPE.ipv4),
    Buffer.from([6, 4]),
    u16(operation),
    macBytes(sender.mac),
    ipv4Bytes(sender.ip),
    macBytes(target.mac),
    ipv4Bytes(target.ip),
  ]);
}

export interface Ipv4 {
  from: string;
  to: string;
  protocol: number;
  payload: Buffer;
  /** In bytes; with `more` for all fragments but the last. */
  offset?: number;
  more?: boolean;
  options?: Buffer;
}

export function ipv4(packet: Ipv4): Buffer {
  const { from, to, protocol, payload, offset = 0, more = false, options } = packet;
  const extra = options ?? Buffer.alloc(0);
  const header = Buffer.concat([
    Buffer.from([0x45 + extra.length / 4, 0]),
    u16(20 + extra.length + payload.length),
    u16(0x4242),
    u16((more ? 0x2000 : 0) | (offset >> 3)),
    Buffer.from([64, protocol, 0, 0]),
    ipv4Bytes(from),
    ipv4Bytes(to),
    extra,
  ]);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

/** Without a checksum, which IPv4 allows; for IPv6 it comes from `ipv6`. */
export function udp(from: number, to: number, data: Buffer = Buffer.from('data')): Buffer {
  return Buffer.concat([u16(from), u16(to), u16(8 + data.length), u16(0), data]);
}

/** The fixed part of a BOOTP message, and the option that makes it DHCP (RFC 2131). */
export function dhcp(message: {
  op: 1 | 2;
  type: number;
  chaddr: string;
  yiaddr?: string;
}): Buffer {
  const bytes = Buffer.alloc(240);
  bytes.set([message.op, 1, 6, 0]);
  bytes.set(ipv4Bytes(message.yiaddr ?? '0.0.0.0'), 16);
  bytes.set(macBytes(message.chaddr), 28);
  bytes.set([0x63, 0x82, 0x53, 0x63], 236);
  return Buffer.concat([bytes, Buffer.from([53, 1, message.type, 255])]);
}

export interface Ipv6 {
  from: string;
  to: string;
  /** The protocol of `payload`. */
  next: number;
  payload: Buffer;
  /** Extension headers in front of it, each by its number and without its first byte. */
  headers?: { number: number; rest: Buffer }[];
}

export function ipv6({ from, to, next, payload, headers = [] }: Ipv6): Buffer {
  const numbers = [...headers.map(({ number }) => number), next];
  const chain = headers.map(({ rest }, i) =>
    Buffer.concat([Buffer.from([numbers[i + 1] ?? next]), rest]),
  );
  const body = Buffer.concat([...chain, withChecksum(from, to, next, payload)]);
  return Buffer.concat([
    Buffer.from([0x60, 0, 0, 0]),
    u16(body.length),
    Buffer.from([numbers[0] ?? next, 255]),
    ipv6Bytes(from),
    ipv6Bytes(to),
    body,
  ]);
}

/** A fragment header (number 44) without its first byte. */
export function fragmentHeader(offset: number, more: boolean): Buffer {
  return Buffer.concat([
    Buffer.from([0]),
    u16((offset & 0xfff8) | (more ? 1 : 0)),
    Buffer.from([0, 0, 0x42, 0x42]),
  ]);
}

export function icmpv6(type: number, ...body: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([type, 0, 0, 0]), ...body]);
}

/** Four reserved bytes, or NA's flags, then the target. */
export function ndTarget(target: string, flags = 0): Buffer {
  return Buffer.concat([Buffer.from([flags, 0, 0, 0]), ipv6Bytes(target)]);
}

/** Source (1) or target (2) link-layer address. */
export function ndMac(kind: 1 | 2, mac: string): Buffer {
  return Buffer.concat([Buffer.from([kind, 1]), macBytes(mac)]);
}

export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

export function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

export function ipv6Bytes(address: string): Buffer {
  if (!net.isIPv6(address)) throw new Error(`${address} is no IPv6 address`);
  return Buffer.from(ipv6ToNumber(address).toString(16).padStart(32, '0'), 'hex');
}

/** The multicast MAC and group that neighbour solicitations for an address go to. */
export function solicitedNode(address: string): { mac: string; group: string } {
  const tail = [...ipv6Bytes(address).subarray(13)].map((b) => b.toString(16).padStart(2, '0'));
  return { mac: `33:33:ff:${tail.join(':')}`, group: `ff02::1:ff${tail[0]}:${tail[1]}${tail[2]}` };
}

function withChecksum(from: string, to: string, next: number, payload: Buffer): Buffer {
  const at = next === 58 ? 2 : next === 17 ? 6 : undefined;
  if (at === undefined || payload.length < at + 2) return payload;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length);
  const pseudo = [ipv6Bytes(from), ipv6Bytes(to), length, Buffer.from([0, 0, 0, next]), payload];
  const copy = Buffer.from(payload);
  copy.writeUInt16BE(checksum(Buffer.concat(pseudo)), at);
  return copy;
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] ?? 0) * 256 + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
