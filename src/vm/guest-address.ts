import * as net from 'node:net';
import { ProvisionerError } from '../errors.ts';
import { poll } from '../host/time.ts';
import { AgentClient } from '../qmp/agent/client.ts';
import type { VmName } from '../types.ts';
import type { Host } from './host.ts';

const DEADLINE_MS = 60_000;

/** The IPv4 address a guest got by DHCP on the card with this MAC. */
export async function guestAddress(host: Host, name: VmName, mac: string): Promise<string> {
  const address = await poll(() => ask(host, name, mac), {
    deadlineMs: DEADLINE_MS,
    everyMs: 1000,
    signal: host.signal,
  });
  if (address !== undefined) return address;
  throw new ProvisionerError(`VM ${name} got no IPv4 address within ${DEADLINE_MS / 1000} s`, {
    hint: 'is there a DHCP server on the bridge? if not, set ip_pool in the configuration',
  });
}

async function ask(host: Host, name: VmName, mac: string): Promise<string | undefined> {
  try {
    const agent = await AgentClient.open(host.paths.vm(name).agent, { deadlineMs: 3000 });
    try {
      const interfaces = await agent.execute('guest-network-get-interfaces', undefined, {
        deadlineMs: 3000,
      });
      const card = interfaces.find((i) => i['hardware-address']?.toLowerCase() === mac);
      return card?.['ip-addresses']?.map((a) => a['ip-address']).find(isUsable);
    } finally {
      await agent.close();
    }
  } catch {
    host.signal.throwIfAborted();
    return undefined;
  }
}

/** The guest chose this text, and it ends up in records and on web pages. */
function isUsable(address: string): boolean {
  return net.isIPv4(address) && !address.startsWith('127.') && !address.startsWith('169.254.');
}
