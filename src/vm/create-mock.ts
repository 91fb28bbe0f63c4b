import { type CreateResult, previewCreate } from './create.ts';
import type { CreateSpec } from './create-spec.ts';
import type { Host } from './host.ts';
import { newRecord } from './record.ts';

/** With --mock there is a record and no VM. `host` works on the mock database. */
export async function createMock(host: Host, spec: CreateSpec): Promise<CreateResult> {
  const seen = await previewCreate(host, spec);
  const pool = spec.network === 'bridge' ? host.settings.ip_pool : undefined;
  const { vmid, ip } = await host.store.allocate(spec.name, pool);
  const result = { ...seen, vmid, ip: ip === '' ? seen.ip : ip };
  const place = { vmid, ip_address: result.ip, ipv6_address: '', network_mode: 'none' };
  await host.store.register(newRecord(spec, place));
  return result;
}
