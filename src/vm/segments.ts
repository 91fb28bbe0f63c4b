import { createHash } from 'node:crypto';
import { ipv4ToNumber } from '../host/ipv4.ts';
import type { Segment, VmConfig } from '../store/vm-config.ts';
import { randomMac } from './mac.ts';
import type { CreateFiles } from './root-side.ts';

/** The part of vm.json that the extras of a request make; disks follow when they are made. */
export function extrasConfig(extras: CreateFiles['extras'], state: string): Partial<VmConfig> {
  const { forwards = [], segments = [], restart } = extras ?? {};
  return {
    ...(forwards.length === 0 ? {} : { forwards }),
    ...(segments.length === 0 ? {} : { segments: segments.map((at) => segmentOf(at, state)) }),
    ...(restart === undefined ? {} : { restart }),
  };
}

/** VMs of the same state directory whose addresses are in the same subnet are on one network. */
export function segmentOf(
  { address, prefix_length }: Pick<Segment, 'address' | 'prefix_length'>,
  state: string,
): Segment {
  const subnet = `${state} ${subnetOf(address, prefix_length)}/${prefix_length}`;
  const hash = createHash('sha256').update(subnet).digest();
  return {
    mac: randomMac(),
    address,
    prefix_length,
    // Administratively scoped (RFC 2365); the group tells networks apart, the port only helps.
    group: `239.${192 + (hash.readUInt8(0) % 64)}.${hash.readUInt8(1)}.${hash.readUInt8(2)}`,
    port: 20_000 + (hash.readUInt16BE(3) % 12_000),
  };
}

function subnetOf(address: string, prefixLength: number): string {
  return String(Math.floor(ipv4ToNumber(address) / 2 ** (32 - prefixLength)));
}
