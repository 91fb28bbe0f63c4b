import type { Settings } from '../host/config.ts';
import { joinUserData } from '../image/user-data-parts.ts';
import type { Allocation } from '../store/record.ts';
import { type CreateSpec, diskBytes } from './create-spec.ts';
import type { Extras } from './extras.ts';
import type { Host } from './host.ts';
import type { CreateFiles, ExtraDisk } from './root-side.ts';
import type { ChosenTemplate } from './template-choice.ts';
import { USER_NET } from './user-net.ts';

type Pool = Settings['ip_pool'];

export interface RequestParts {
  spec: CreateSpec;
  allocation: Allocation;
  template: ChosenTemplate;
  /** Further disks, what they start from in the store. */
  disks: ExtraDisk[];
  /** Loopback port for ssh with user networking. */
  port: number;
  pool: Pool;
  userData: string;
  /** With an IPv6 address: where its packets go. */
  ipv6Gateway: string;
}

/** What the root side has to know to make a VM's files. */
export function filesRequest(parts: RequestParts): CreateFiles {
  const { spec, allocation, template, port } = parts;
  return {
    name: spec.name,
    vmid: allocation.vmid,
    vcpus: spec.vcpus,
    memory_mb: spec.memoryMb,
    disk_bytes: diskBytes(spec, template.virtualSize),
    template: template.id,
    username: spec.username,
    network:
      spec.network === 'bridge' && spec.bridge !== undefined
        ? {
            mode: 'bridge',
            bridge: spec.bridge,
            ipv4: addressOf(spec, allocation),
            ipv6: allocation.ipv6,
          }
        : { mode: 'user', ssh_port: port },
    ...(spec.extras === undefined ? {} : { extras: extrasRequest(spec.extras, parts.disks) }),
    seed: {
      user_data: joinUserData([parts.userData, ...(spec.extras?.userData ?? [])]),
      ...addressing(parts),
    },
  };
}

export function poolOf(host: Host, spec: CreateSpec): Pool {
  const chosen = spec.extras?.address !== undefined;
  return spec.network === 'bridge' && !chosen ? host.settings.ip_pool : undefined;
}

/** Empty while only a DHCP server knows. */
export function addressOf(spec: CreateSpec, allocation: Allocation): string {
  if (spec.network === 'user') return USER_NET.guest;
  return spec.extras?.address?.address ?? allocation.ip;
}

function extrasRequest(extras: Extras, disks: ExtraDisk[]): CreateFiles['extras'] {
  const { hostname, forwards, segments, restart } = extras;
  return {
    ...(hostname === undefined ? {} : { hostname }),
    ...(restart === undefined ? {} : { restart }),
    ...{ forwards, segments, disks },
  };
}

function addressing({
  spec,
  allocation,
  pool,
  ipv6Gateway,
}: RequestParts): Pick<CreateFiles['seed'], 'ipv4' | 'ipv6' | 'nameservers'> {
  if (spec.network === 'user') {
    // The address QEMU's DHCP server would give, without waiting for it.
    const { guest, prefixLength, gateway, nameserver } = USER_NET;
    return { ipv4: { address: guest, prefixLength, gateway }, nameservers: [nameserver] };
  }
  const chosen = spec.extras?.address;
  if (chosen !== undefined) {
    const { address, prefixLength, gateway } = chosen;
    return {
      ipv4: { address, prefixLength, ...(gateway === undefined ? {} : { gateway }) },
      nameservers: gateway === undefined ? [] : [gateway],
    };
  }
  if (pool === undefined || allocation.ip === '') return { ipv4: 'dhcp', nameservers: [] };
  const prefixLength = Number(pool.network.split('/')[1]);
  return {
    ipv4: { address: allocation.ip, prefixLength, gateway: pool.gateway },
    ...(allocation.ipv6 === '' ? {} : { ipv6: { address: allocation.ipv6, gateway: ipv6Gateway } }),
    nameservers: [pool.gateway],
  };
}
