import type { Settings } from '../host/config.ts';
import { renderMetaData } from '../image/meta-data.ts';
import { renderNetworkConfig } from '../image/network-config.ts';
import type { SeedContent } from '../image/seed.ts';
import { renderUserData } from '../image/user-data.ts';
import type { VmConfig } from '../store/vm-config.ts';
import type { CreateSpec } from './create-spec.ts';

/** Addresses inside QEMU's user network (docs/system/devices/net.rst); each VM has one of its own. */
export const USER_NET = {
  guest: '10.0.2.15',
  prefixLength: 24,
  gateway: '10.0.2.2',
  nameserver: '10.0.2.3',
} as const;

/** What the guest is told at its first boot. */
export function seedContent(
  spec: CreateSpec,
  config: VmConfig,
  ip: string,
  pool: Settings['ip_pool'],
): SeedContent {
  return {
    userData: userDataOf(spec),
    metaData: renderMetaData({ instanceId: config.uuid, hostname: spec.name }),
    networkConfig: renderNetworkConfig({
      mac: config.mac,
      ...(config.network.mode === 'user' ? userNetwork() : bridgeNetwork(ip, pool)),
    }),
  };
}

/** @throws InputError when it holds what is no SSH key. */
export function userDataOf(spec: CreateSpec): string {
  const { name, username, wallet, sshKeys } = spec;
  if (spec.cloudInitContent !== undefined) return spec.cloudInitContent;
  return renderUserData({
    username,
    hostname: name,
    wallet: wallet === '' ? undefined : wallet,
    sshKeys,
  });
}

type Addressing = Pick<Parameters<typeof renderNetworkConfig>[0], 'ipv4' | 'nameservers'>;

/** The address QEMU's DHCP server would give, without waiting for it. */
function userNetwork(): Addressing {
  const { guest, prefixLength, gateway, nameserver } = USER_NET;
  return { ipv4: { address: guest, prefixLength, gateway }, nameservers: [nameserver] };
}

function bridgeNetwork(ip: string, pool: Settings['ip_pool']): Addressing {
  if (pool === undefined || ip === '') return { ipv4: 'dhcp' };
  const prefixLength = Number(pool.network.split('/')[1]);
  return {
    ipv4: { address: ip, prefixLength, gateway: pool.gateway },
    nameservers: [pool.gateway],
  };
}
