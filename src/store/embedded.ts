import * as path from 'node:path';
import * as z from 'zod/mini';
import { InputError, NotFoundError, ProvisionerError } from '../errors.ts';
import { writeFileAtomic } from '../host/files.ts';
import { lockFile } from '../host/lock.ts';
import { removeStaleTemporaries } from '../host/temporary-files.ts';
import { readValidated } from '../host/validate.ts';
import type { VmName } from '../types.ts';
import { type AddressPool, type Allocation, type Store, VmRecord } from './record.ts';

const FIRST_VMID = 100;

/** The shape of BlockHost's own database file, so that one reader serves both. */
const Database = z.looseObject({
  vms: z.record(z.string(), VmRecord),
  next_vmid: z.int().check(z.gte(FIRST_VMID)),
  allocated_ips: z.array(z.string()),
  allocated_ipv6: z.array(z.string()),
  /** Ours: numbers and addresses taken for VMs that have no record yet, so that only their taker frees them. */
  reservations: z._default(
    z.record(
      z.string(),
      z.object({ vmid: z.int(), ip: z.string(), ipv6: z._default(z.string(), '') }),
    ),
    () => ({}),
  ),
});
type Database = z.infer<typeof Database>;

/**
 * Records in one JSON file, for hosts without BlockHost. Writers take turns by flock on a file beside
 * it and replace it by rename: readers need no lock, and a kill at any moment leaves the old or the new.
 */
export class EmbeddedStore implements Store {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  get(name: VmName): Promise<VmRecord | undefined> {
    return Promise.resolve(ownRecord(this.#read(), name));
  }

  list(): Promise<VmRecord[]> {
    return Promise.resolve(Object.values(this.#read().vms));
  }

  preview(pool: AddressPool | undefined): Promise<Allocation> {
    const database = this.#read();
    return Promise.resolve(nextAllocation(database, pool));
  }

  allocate(name: VmName, pool: AddressPool | undefined): Promise<Allocation> {
    return this.#change((database) => {
      const allocation = nextAllocation(database, pool);
      free(database, database.reservations[name]?.ip);
      if (allocation.ip !== '') database.allocated_ips.push(allocation.ip);
      database.next_vmid = allocation.vmid + 1;
      database.reservations[name] = allocation;
      return allocation;
    });
  }

  release(name: VmName): Promise<void> {
    return this.#change((database) => {
      if (!Object.hasOwn(database.reservations, name)) return;
      free(database, database.reservations[name]?.ip);
      delete database.reservations[name];
    });
  }

  reserved(): Promise<string[]> {
    return Promise.resolve(Object.keys(this.#read().reservations));
  }

  register(record: VmRecord): Promise<void> {
    return this.#change((database) => {
      if (Object.hasOwn(database.vms, record.vm_name)) {
        throw new InputError(`VM ${record.vm_name} exists already`);
      }
      database.vms[record.vm_name] = record;
      delete database.reservations[record.vm_name];
    });
  }

  update(name: VmName, fields: Partial<VmRecord>): Promise<void> {
    return this.#change((database) => {
      database.vms[name] = { ...existing(database, name), ...fields };
    });
  }

  suspend(name: VmName): Promise<void> {
    return this.#change((database) => {
      const record = existing(database, name);
      if (record.status === 'suspended') return;
      const suspended_at = new Date().toISOString().replace('Z', '+00:00');
      database.vms[name] = { ...record, status: 'suspended', suspended_at };
    });
  }

  activate(name: VmName, expiresAt?: string): Promise<void> {
    return this.#change((database) => {
      const { suspended_at: _, ...record } = existing(database, name);
      const later =
        expiresAt !== undefined && Date.parse(expiresAt) > Date.parse(record.expires_at);
      database.vms[name] = {
        ...(record as VmRecord),
        status: 'active',
        ...(later ? { expires_at: expiresAt } : {}),
      };
    });
  }

  remove(name: VmName): Promise<void> {
    return this.#change((database) => {
      const record = ownRecord(database, name);
      if (record === undefined) return;
      free(database, record.ip_address);
      delete database.vms[name];
    });
  }

  #read(): Database {
    return (
      readValidated(this.#file, Database) ?? {
        vms: {},
        next_vmid: FIRST_VMID,
        allocated_ips: [],
        allocated_ipv6: [],
        reservations: {},
      }
    );
  }

  async #change<T>(edit: (database: Database) => T): Promise<T> {
    const lock = await lockFile(`${this.#file}.lock`, {
      what: `the record file ${path.basename(this.#file)}`,
      holder: 'another command',
      waitMs: 20_000,
    });
    try {
      removeStaleTemporaries(path.dirname(this.#file));
      const database = this.#read();
      const before = JSON.stringify(database);
      const result = edit(database);
      if (JSON.stringify(database) !== before) {
        writeFileAtomic(this.#file, `${JSON.stringify(database, null, 1)}\n`, { mode: 0o600 });
      }
      return result;
    } finally {
      lock.release();
    }
  }
}

/** `constructor` is a valid VM name: only own keys count. */
function ownRecord(database: Database, name: VmName): VmRecord | undefined {
  return Object.hasOwn(database.vms, name) ? database.vms[name] : undefined;
}

function existing(database: Database, name: VmName): VmRecord {
  const record = ownRecord(database, name);
  if (record === undefined) throw new NotFoundError(`VM ${name} has no record`);
  return record;
}

function nextAllocation(database: Database, pool: AddressPool | undefined): Allocation {
  const ip = pool === undefined ? '' : lowestFree(pool, database.allocated_ips);
  return { vmid: database.next_vmid, ip, ipv6: '' };
}

function free(database: Database, address: string | undefined): void {
  database.allocated_ips = database.allocated_ips.filter((ip) => ip !== address);
}

function lowestFree(pool: AddressPool, taken: readonly string[]): string {
  const prefix = pool.network.split('.').slice(0, 3).join('.');
  for (let last = pool.start; last <= pool.end; last++) {
    const ip = `${prefix}.${last}`;
    if (ip !== pool.gateway && !taken.includes(ip)) return ip;
  }
  throw new ProvisionerError(
    `no free address between ${prefix}.${pool.start} and ${prefix}.${pool.end}`,
    { hint: 'destroy a VM, or widen ip_pool in the configuration' },
  );
}
