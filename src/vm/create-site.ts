import type { Allocation } from '../store/record.ts';
import type { CreateSpec } from './create-spec.ts';
import type { Host } from './host.ts';
import { userDataOf } from './seed-content.ts';

/** What depends on whose host a VM is created on. */
export interface CreateSite {
  /** BlockHost's name of how its VMs are reached; undefined elsewhere. */
  networkMode: string | undefined;
  /** What the guest is told at its first boot, once its addresses are known. */
  tell(allocation: Allocation, ip: string): Promise<{ userData: string; ipv6Gateway: string }>;
}

/**
 * On a host of BlockHost's its rules hold, elsewhere none but our own.
 * @throws InputError, ProvisionerError when they are not met.
 */
export function siteOf(host: Host, spec: CreateSpec): CreateSite {
  const { blockhost } = host;
  if (blockhost === undefined) {
    const told = { userData: userDataOf(spec), ipv6Gateway: '' };
    return { networkMode: undefined, tell: () => Promise.resolve(told) };
  }
  blockhost.assertWallet(spec.wallet);
  return {
    networkMode: blockhost.networkMode(),
    async tell({ ipv6 }, ip) {
      const { name, username, wallet, nftTokenId, sshKeys } = spec;
      const guest = { name, username, wallet, nftTokenId, ip, ipv6, sshKeys };
      return {
        userData: spec.cloudInitContent ?? (await blockhost.userData(guest)),
        ipv6Gateway: ipv6 === '' ? '' : await blockhost.ipv6Gateway(ipv6),
      };
    },
  };
}
