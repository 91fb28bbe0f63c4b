import * as z from 'zod/mini';
import type { VmName } from '../types.ts';

export const RecordStatus = z.enum(['active', 'suspended', 'destroyed']);
export type RecordStatus = z.infer<typeof RecordStatus>;

/**
 * What BlockHost knows of a VM (contract §3). Times are ISO 8601 in UTC with an offset. Keys that other
 * programs add are kept as they are.
 */
export const VmRecord = z.looseObject({
  vm_name: z.string(),
  vmid: z.int(),
  ip_address: z.string(),
  ipv6_address: z.string(),
  expires_at: z.string(),
  owner: z.string(),
  status: RecordStatus,
  created_at: z.string(),
  purpose: z.string(),
  wallet_address: z.string(),
  username: z.string(),
  network_mode: z.string(),
  nft_token_id: z.optional(z.nullable(z.union([z.string(), z.number()]))),
});
export type VmRecord = z.infer<typeof VmRecord>;

/** The numbers a VM gets before it exists. */
export const Allocation = z.object({
  vmid: z.int(),
  /** Empty when the VM's address is not ours to give: user networking, DHCP. */
  ip: z.string(),
  /** Empty where nobody gave this host a prefix. */
  ipv6: z.string(),
});
export type Allocation = z.infer<typeof Allocation>;

export interface AddressPool {
  /** An IPv4 network whose first three octets are the pool's, contract §3. */
  network: string;
  /** First and last value of the last octet. */
  start: number;
  end: number;
  /** Never given to a VM. */
  gateway: string;
}

/** Where records live. Every method is safe against other commands running at the same time. */
export interface Store {
  get(name: VmName): Promise<VmRecord | undefined>;
  list(): Promise<VmRecord[]>;
  /** What `allocate` would give, without taking it. */
  preview(pool: AddressPool | undefined): Promise<Allocation>;
  /** A VM id never given before, and the lowest free address of the pool, kept for this name. */
  allocate(name: VmName, pool: AddressPool | undefined): Promise<Allocation>;
  /** Gives back what `allocate` kept for this name; harmless when there is nothing. */
  release(name: VmName): Promise<void>;
  /** Names for which something is kept, of VMs that have no record yet. */
  reserved(): Promise<string[]>;
  /** Turns what was kept for the name into a VM. @throws InputError when the name is taken. */
  register(record: VmRecord): Promise<void>;
  /** Changes fields of a record; the rest stays. @throws NotFoundError */
  update(name: VmName, fields: Partial<VmRecord>): Promise<void>;
  /** The VM is off because it expired. Doing it twice keeps the first time. @throws NotFoundError */
  suspend(name: VmName): Promise<void>;
  /** The VM runs again; a later expiry is taken, an earlier one never. @throws NotFoundError */
  activate(name: VmName, expiresAt?: string): Promise<void>;
  /**
   * The VM is gone, and its addresses are free. BlockHost keeps the record as destroyed, else it goes too.
   * Doing it twice is harmless.
   */
  remove(name: VmName): Promise<void>;
}
