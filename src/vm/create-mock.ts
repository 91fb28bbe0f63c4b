import { type CreateResult, previewCreate } from './create.ts';
import type { CreateSpec } from './create-spec.ts';
import type { Host } from './host.ts';
import { isoWithOffset } from './record.ts';

const DAY_MS = 86_400_000;

/** With --mock there is a record and no VM. `host` works on the mock database. */
export async function createMock(host: Host, spec: CreateSpec): Promise<CreateResult> {
  const seen = await previewCreate(host, spec);
  const pool = spec.network === 'bridge' ? host.settings.ip_pool : undefined;
  const { vmid, ip } = await host.store.allocate(spec.name, pool);
  const now = Date.now();
  const result = { ...seen, vmid, ip: ip === '' ? seen.ip : ip };
  await host.store.register({
    vm_name: spec.name,
    vmid,
    ip_address: result.ip,
    ipv6_address: '',
    expires_at: isoWithOffset(now + spec.expiryDays * DAY_MS),
    owner: spec.wallet,
    status: 'active',
    created_at: isoWithOffset(now),
    purpose: '',
    wallet_address: spec.wallet,
    username: spec.username,
    network_mode: 'none',
  });
  return result;
}
