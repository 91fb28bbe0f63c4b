import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Vm, World } from './world.ts';

interface Database {
  vms: Record<string, { vm_name: string; vmid: number; ip_address: string; status: string }>;
  next_vmid: number;
  allocated_ips: string[];
  reservations?: Record<string, unknown>;
}

/** The record against the files of each VM, numbers and addresses against who has them. */
export function auditRecords(world: World, vms: readonly Vm[]): string[] {
  const file = path.join(world.state, 'vms.json');
  if (!fs.existsSync(file)) return vms.map(({ name }) => `vm ${name} has no record`);
  const database = JSON.parse(fs.readFileSync(file, 'utf8')) as Database;
  const records = Object.entries(database.vms).filter(([, { status }]) => status !== 'destroyed');
  const lines: string[] = [];
  for (const name of Object.keys(database.reservations ?? {}))
    lines.push(`reservation of ${name} without a create`);
  for (const [name, record] of records) {
    const config = vms.find((vm) => vm.name === name)?.config;
    if (record.vm_name !== name) lines.push(`record ${name} is of ${record.vm_name}`);
    if (config === undefined) lines.push(`record ${name} without a VM`);
    else if (config.vmid !== record.vmid)
      lines.push(`record ${name} has number ${record.vmid}, its VM ${config.vmid}`);
    if (record.vmid >= database.next_vmid)
      lines.push(`record ${name} has number ${record.vmid}, the next is ${database.next_vmid}`);
    const address = config?.network.ipv4 ?? '';
    if (address !== '' && record.ip_address !== address)
      lines.push(`record ${name} has address ${record.ip_address}, its VM ${address}`);
  }
  for (const { name } of vms)
    if (!records.some(([other]) => other === name)) lines.push(`vm ${name} has no record`);
  const numbers = records.map(([, { vmid }]) => vmid);
  if (new Set(numbers).size < numbers.length) lines.push(`a number is given twice: ${numbers}`);
  const theirs = new Set(records.map(([, { ip_address }]) => ip_address));
  for (const address of database.allocated_ips)
    if (!theirs.has(address)) lines.push(`address ${address} is nobody's`);
  return lines;
}
