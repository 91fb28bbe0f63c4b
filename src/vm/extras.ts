import * as fs from 'node:fs';
import * as net from 'node:net';
import { InputError } from '../errors.ts';
import type { Forward, RestartPolicy, Segment } from '../store/vm-config.ts';
import { GiB, quote } from '../types.ts';
import { parseAddress, type StaticAddress } from './static-address.ts';
import { isInUserNet, USER_NET } from './user-net.ts';

/** What a VM can have beyond a disk and a card; all of it optional. */
export interface Extras {
  /** The guest's host name when it is not the VM's. */
  hostname: string | undefined;
  forwards: Forward[];
  segments: SegmentAddress[];
  disks: WantedDisk[];
  /** Further parts of user-data: each a cloud-config, a script or anything else cloud-init takes. */
  userData: string[];
  /** A static address on the bridge. */
  address: StaticAddress | undefined;
  /** What happens after a crash; undefined is never. */
  restart?: RestartPolicy | undefined;
  /** False: `create` returns when QEMU runs. For guests without an agent, and callers that wait by ssh. */
  wait: boolean;
}

/** On a network between VMs of this host. */
export type SegmentAddress = Pick<Segment, 'address' | 'prefix_length'>;

/** Empty, or a copy of an image. */
export type WantedDisk = { bytes: number } | { image: string };

/** `[tcp:|udp:][HOSTIP:]HOSTPORT:GUESTPORT`. @throws InputError */
export function parseForward(text: string): Forward {
  const match = /^(?:(tcp|udp):)?(?:(\d+\.\d+\.\d+\.\d+):)?(\d{1,5}):(\d{1,5})$/.exec(text);
  const [, protocol = 'tcp', host_ip = '127.0.0.1', from, to] = match ?? [];
  const [host_port, guest_port] = [Number(from), Number(to)];
  const good = [host_port, guest_port].every((port) => port >= 1 && port <= 65535);
  if (match !== null && good && net.isIPv4(host_ip)) {
    return { protocol: protocol === 'udp' ? 'udp' : 'tcp', host_ip, host_port, guest_port };
  }
  throw new InputError(`--forward ${quote(text)} is not a rule`, {
    hint: 'use [tcp:|udp:][ADDRESS:]HOSTPORT:GUESTPORT, such as 8080:80',
  });
}

/** Two rules of one VM on the same port would fail at every start. @throws InputError */
export function assertDistinct(forwards: readonly Forward[]): void {
  const seen = new Set<string>();
  for (const { protocol, host_ip, host_port } of forwards) {
    const key = `${protocol} port ${host_port} of ${host_ip}`;
    if (seen.has(key)) throw new InputError(`--forward takes ${key} twice`);
    seen.add(key);
  }
}

/** `ADDRESS/PREFIX`. @throws InputError */
export function parseSegment(text: string): SegmentAddress {
  const { address, prefixLength } = parseAddress('--private-network', text);
  return { address, prefix_length: prefixLength };
}

/** A size in GB, or the path of an image that becomes the disk. @throws InputError */
export function parseExtraDisk(text: string): WantedDisk {
  if (/^\d{1,5}$/.test(text) && Number(text) >= 1) return { bytes: Number(text) * GiB };
  if (fs.existsSync(text)) return { image: text };
  throw new InputError(`--extra-disk ${quote(text)} is neither a size nor an image`, {
    hint: 'use a whole number of GB, or the path of a disk image',
  });
}

/** @throws InputError naming what does not go together. */
export function checkExtras(extras: Extras, network: 'user' | 'bridge'): void {
  assertDistinct(extras.forwards);
  if (extras.forwards.length > 0 && network !== 'user') {
    throw new InputError('--forward is for user networking only', {
      hint: 'on a bridge the guest is reached by its own address',
    });
  }
  if (extras.address !== undefined && network !== 'bridge') {
    throw new InputError('--address is for bridge networking only', {
      hint: 'use --private-network for a card of its own between VMs of this host',
    });
  }
  if (network === 'user') assertBesideUserNet(extras.segments);
}

/** The guest would look for that network's hosts on its first card, or for the way out on this one. */
function assertBesideUserNet(segments: readonly SegmentAddress[]): void {
  const within = segments.find(({ address }) => isInUserNet(address));
  if (within === undefined) return;
  const { address, prefix_length } = within;
  throw new InputError(
    `--private-network ${address}/${prefix_length} lies in ${USER_NET.network}, which is the VM's user network`,
    { hint: 'use another network, such as 192.168.56.10/24' },
  );
}
