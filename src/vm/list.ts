import * as net from 'node:net';
import { messageOf } from '../errors.ts';
import type { VmRecord } from '../store/record.ts';
import { isVmName, visible } from '../types.ts';
import type { ReadHost } from './host.ts';
import { statusOf, type TellingStatus, type VmStatus } from './status.ts';

export interface ListEntry {
  name: string;
  status: VmStatus;
  ip: string;
  /** YYYY-MM-DD */
  created: string;
  /** Why the status is unknown; not there for any other. */
  reason?: string;
}

/** How many QEMUs are asked at once. */
const PARALLEL = 64;

/** All VMs with a record, by name. One that hangs shows as unknown and holds nobody up for long. */
export async function listVms(host: ReadHost): Promise<ListEntry[]> {
  // BlockHost's admin panel puts these values into HTML as they are, and other programs write records, too.
  const records = (await host.store.list())
    .filter(({ vm_name }) => isVmName(vm_name))
    .sort((a, b) => (a.vm_name < b.vm_name ? -1 : 1));
  const entries: ListEntry[] = [];
  for (let at = 0; at < records.length; at += PARALLEL) {
    const part = records.slice(at, at + PARALLEL).map(async (record): Promise<ListEntry> => {
      const name = record.vm_name;
      const { status, reason } = await told(host, record);
      return {
        name,
        status,
        ip: net.isIP(record.ip_address) === 0 ? '' : record.ip_address,
        created: /^\d{4}-\d\d-\d\d/.exec(record.created_at)?.[0] ?? '',
        ...(reason === undefined ? {} : { reason }),
      };
    });
    entries.push(...(await Promise.all(part)));
  }
  return entries;
}

async function told(host: ReadHost, record: VmRecord): Promise<TellingStatus> {
  const name = record.vm_name;
  if (!isVmName(name)) return { status: 'unknown', reason: 'its record has no valid name' };
  try {
    return await statusOf(host, name, record);
  } catch (error) {
    return { status: 'unknown', reason: visible(messageOf(error)) };
  }
}
