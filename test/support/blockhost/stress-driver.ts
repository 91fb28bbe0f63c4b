// One of the processes that work on the database at once: what create, destroy, resume and gc do to
// records, in random order. Orders in STRESS_ORDERS; every beginning and end is a line in the log.
import * as fs from 'node:fs';
import * as path from 'node:path';
import { ProvisionerError } from '../../../src/errors.ts';
import { lockFile } from '../../../src/host/lock.ts';
import { BlockhostStore } from '../../../src/store/blockhost.ts';
import { HelperClient } from '../../../src/store/helper-client.ts';
import { parseVmName, type VmName } from '../../../src/types.ts';
import { Random } from '../random.ts';
import { helperCommand } from './host.ts';

export interface StressOrders {
  seed: number;
  operations: number;
  names: string[];
  directory: string;
  etc: string;
}

/** What a VM is after an operation; `unsure` while one is under way. */
export type StressLine =
  | { name: string; is: 'unsure'; op: string }
  | { name: string; is: 'active'; ip: string; vmid: number }
  | { name: string; is: 'suspended' | 'gone' };

const orders = JSON.parse(process.env.STRESS_ORDERS ?? '') as StressOrders;
const random = new Random(orders.seed);
const store = new BlockhostStore(new HelperClient(helperCommand(orders)));
const pool = { network: '192.0.2.0/24', start: 10, end: 200, gateway: '192.0.2.11' };
const log = path.join(orders.directory, 'log');

for (let i = 0; i < orders.operations; i++) {
  const name = parseVmName(pick(orders.names));
  const lock = await lockFile(path.join(orders.directory, 'locks', `${name}.lock`), {
    what: `VM ${name}`,
    holder: 'stress',
    waitMs: 60_000,
  });
  try {
    await operate(name, pick(['create', 'create', 'destroy', 'resume', 'suspend']));
  } finally {
    lock.release();
  }
  process.stdout.write('.');
}

async function operate(name: VmName, op: string): Promise<void> {
  const status = (await store.get(name))?.status ?? 'destroyed';
  if (op === 'create' && status === 'destroyed') {
    say({ name, is: 'unsure', op });
    // What recovering from a create that was killed does.
    await store.release(name);
    const { vmid, ip, ipv6 } = await store.allocate(name, pool);
    if (random.chance(0.1)) {
      await store.release(name);
      say({ name, is: 'gone' });
      return;
    }
    await store.register(record(name, vmid, ip, ipv6));
    say({ name, is: 'active', ip, vmid });
  } else if (op === 'destroy' && status !== 'destroyed') {
    say({ name, is: 'unsure', op });
    await store.remove(name);
    // Some callers do it twice.
    if (random.chance(0.3)) await store.remove(name);
    say({ name, is: 'gone' });
  } else if (op === 'suspend' && status === 'active') {
    say({ name, is: 'unsure', op });
    await store.suspend(name);
    say({ name, is: 'suspended' });
  } else if (op === 'resume' && status === 'suspended') {
    say({ name, is: 'unsure', op });
    await store.activate(name);
    const found = await store.get(name);
    if (found === undefined) throw new ProvisionerError(`${name} is lost`);
    say({ name, is: 'active', ip: found.ip_address, vmid: found.vmid });
  }
}

function say(line: StressLine): void {
  fs.appendFileSync(log, `${JSON.stringify(line)}\n`);
}

function pick<T>(from: readonly T[]): T {
  return random.pick(from);
}

function record(name: VmName, vmid: number, ip: string, ipv6: string) {
  const now = Date.now();
  return {
    vm_name: name,
    vmid,
    ip_address: ip,
    ipv6_address: ipv6,
    expires_at: new Date(now + 86_400_000).toISOString(),
    owner: '0xabc',
    status: 'active' as const,
    created_at: new Date(now).toISOString(),
    purpose: '',
    wallet_address: '0xabc',
    username: 'admin',
    network_mode: 'none',
  };
}
