import type { VmRecord } from '../store/record.ts';
import type { VmConfig } from '../store/vm-config.ts';
import type { CreateContext } from './create-context.ts';

const DAY_MS = 86_400_000;

export function newRecord(
  { spec, site, allocation, ip }: CreateContext,
  config: VmConfig,
): VmRecord {
  const now = Date.now();
  return {
    vm_name: spec.name,
    vmid: config.vmid,
    ip_address: ip,
    ipv6_address: allocation.ipv6,
    expires_at: isoWithOffset(now + spec.expiryDays * DAY_MS),
    owner: spec.wallet,
    status: 'active',
    created_at: isoWithOffset(now),
    purpose: '',
    wallet_address: spec.wallet,
    username: spec.username,
    network_mode: site.networkMode ?? config.network.mode,
    ...(spec.nftTokenId === null ? {} : { nft_token_id: spec.nftTokenId }),
  };
}

/** Python before 3.11 does not read the suffix Z. */
export function isoWithOffset(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '+00:00');
}
