import * as net from 'node:net';
import { InputError, messageOf } from '../errors.ts';
import { quote } from '../types.ts';
import { applyIp } from './ip-batch.ts';

/** The VM's single IPv6 address lies on the bridge, whatever prefix the host has there. */
export function routePlan(ipv6: string, bridge: string): string[] {
  return [`route replace ${checked(ipv6)}/128 dev ${bridge}`];
}

export async function addRoute(ipv6: string, bridge: string): Promise<void> {
  await applyIp(routePlan(ipv6, bridge));
}

/** A route that is gone already, or a bridge that is, is no error. */
export async function removeRoute(ipv6: string, bridge: string): Promise<void> {
  try {
    await applyIp([`route del ${checked(ipv6)}/128 dev ${bridge}`]);
  } catch (error) {
    if (!/No such process|Cannot find device/.test(messageOf(error))) throw error;
  }
}

function checked(ipv6: string): string {
  if (net.isIPv6(ipv6) && !ipv6.includes('%')) return ipv6;
  throw new InputError(`${quote(ipv6)} is not a valid IPv6 address`);
}
