import type { VmRecord } from '../store/record.ts';
import type { CreateSpec } from './create-spec.ts';

const DAY_MS = 86_400_000;

/** The record of a VM that is created now. */
export function newRecord(
  spec: CreateSpec,
  place: Pick<VmRecord, 'vmid' | 'ip_address' | 'ipv6_address' | 'network_mode'>,
): VmRecord {
  const now = Date.now();
  return {
    ...place,
    vm_name: spec.name,
    expires_at: isoWithOffset(now + spec.expiryDays * DAY_MS),
    owner: spec.wallet,
    status: 'active',
    created_at: isoWithOffset(now),
    purpose: '',
    wallet_address: spec.wallet,
    username: spec.username,
    ...(spec.nftTokenId === null ? {} : { nft_token_id: spec.nftTokenId }),
  };
}

/** Python before 3.11 does not read the suffix Z. */
function isoWithOffset(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '+00:00');
}
