import * as os from 'node:os';
import * as z from 'zod/mini';
import { ProvisionerError } from '../errors.ts';
import { describeMismatch } from '../host/mismatch.ts';
import type { VmName } from '../types.ts';
import type { HelperClient } from './helper-client.ts';
import { type AddressPool, Allocation, RecordStatus, type Store, type VmRecord } from './record.ts';

/**
 * The records of a BlockHost host, reached through the host's own Python package by a helper: there is
 * just one implementation of the database and its lock.
 */
export class BlockhostStore implements Store {
  readonly #helper: HelperClient;

  constructor(helper: HelperClient) {
    this.#helper = helper;
  }

  async get(name: VmName): Promise<VmRecord | undefined> {
    const found = await this.#helper.call('get', { name });
    return found === null ? undefined : importRecord(found);
  }

  async list(): Promise<VmRecord[]> {
    const found = await this.#helper.call('list', {});
    return (Array.isArray(found) ? found : []).flatMap((record) => {
      try {
        return [importRecord(record)];
      } catch {
        // One damaged record hides no other.
        return [];
      }
    });
  }

  async preview(pool: AddressPool | undefined): Promise<Allocation> {
    return allocationOf(await this.#helper.call('preview', poolArgs(pool)));
  }

  async allocate(name: VmName, pool: AddressPool | undefined): Promise<Allocation> {
    return allocationOf(await this.#helper.call('allocate', { name, ...poolArgs(pool) }));
  }

  async release(name: VmName): Promise<void> {
    await this.#helper.call('release', { name });
  }

  async reserved(): Promise<string[]> {
    const found = await this.#helper.call('reserved', {});
    return Array.isArray(found) ? found.filter((name) => typeof name === 'string') : [];
  }

  async register(record: VmRecord): Promise<void> {
    await this.#helper.call('register', { record });
  }

  async update(name: VmName, fields: Partial<VmRecord>): Promise<void> {
    await this.#helper.call('update', { name, fields });
  }

  async suspend(name: VmName): Promise<void> {
    await this.#helper.call('suspend', { name });
  }

  async activate(name: VmName, expiresAt?: string): Promise<void> {
    await this.#helper.call('activate', { name, expires_at: expiresAt ?? null });
  }

  async remove(name: VmName): Promise<void> {
    await this.#helper.call('remove', { name });
  }
}

/** The pool itself stands in db.yaml; addresses of this host that lie in it are nobody else's. */
function poolArgs(pool: AddressPool | undefined): { pool: boolean; avoid: string[] } {
  const own = Object.values(os.networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address);
  return { pool: pool !== undefined, avoid: pool === undefined ? [] : [...own, pool.gateway] };
}

function allocationOf(result: unknown): Allocation {
  const parsed = z.safeParse(Allocation, result);
  if (parsed.success) return parsed.data;
  throw new ProvisionerError(
    `the database helper gave an odd allocation: ${describeMismatch(parsed.error, result)}`,
  );
}

const Text = z.pipe(
  z.unknown(),
  z.transform((value) => (typeof value === 'string' ? value : '')),
);

/** Other programs write records, too: what is absent or null is empty, unknown keys stay. */
const ForeignRecord = z.looseObject({
  vm_name: z.string(),
  vmid: z.pipe(
    z.unknown(),
    z.transform((value) => (Number.isInteger(value) ? (value as number) : 0)),
  ),
  ip_address: Text,
  ipv6_address: Text,
  expires_at: Text,
  owner: Text,
  status: RecordStatus,
  created_at: Text,
  purpose: Text,
  wallet_address: Text,
  username: Text,
  network_mode: Text,
  nft_token_id: z.pipe(
    z.unknown(),
    z.transform((value) => (typeof value === 'string' || typeof value === 'number' ? value : null)),
  ),
});

const ABSENT = Object.fromEntries(Object.keys(ForeignRecord.shape).map((key) => [key, null]));

function importRecord(found: unknown): VmRecord {
  const complete = typeof found === 'object' ? { ...ABSENT, ...found } : found;
  const parsed = z.safeParse(ForeignRecord, complete);
  if (parsed.success) return parsed.data;
  throw new ProvisionerError(
    `a record of BlockHost's database is damaged: ${describeMismatch(parsed.error, found)}`,
  );
}
