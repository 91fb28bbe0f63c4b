import * as net from 'node:net';
import * as os from 'node:os';
import { InputError } from '../errors.ts';
import { formatIpv6, ipv6ToNumber } from '../host/ipv6.ts';
import type { Paths } from '../host/paths.ts';
import { allConfigs } from '../store/all-configs.ts';
import type { CreateFiles } from './root-side.ts';

/**
 * A VM's number names its tap, and its addresses lead to it: whoever asks for those of another VM, or of the host
 * itself, would take them away from it. @throws InputError naming who has them.
 */
export function assertUnique(paths: Paths, { name, vmid, network }: CreateFiles): void {
  const wanted = network.mode === 'bridge' ? [network.ipv4, network.ipv6] : [];
  const addresses = wanted.filter((address) => address !== '');
  for (const { name: other, config } of allConfigs(paths)) {
    if (config === undefined || other === name) continue;
    if (config.vmid === vmid) throw taken(name, `number ${vmid}`, `VM ${other}`);
    if (config.network.mode !== 'bridge') continue;
    const theirs = [config.network.ipv4, config.network.ipv6].map(inOneWay);
    const both = addresses.find((address) => theirs.includes(inOneWay(address)));
    if (both !== undefined) throw taken(name, `address ${both}`, `VM ${other}`);
  }
  const own = Object.values(os.networkInterfaces()).flatMap((cards) => cards ?? []);
  const hosts = addresses.find((address) =>
    own.some((card) => inOneWay(card.address) === inOneWay(address)),
  );
  if (hosts !== undefined) throw taken(name, `address ${hosts}`, 'this host');
}

/** An IPv6 address can be written in many ways, and a request may choose. */
function inOneWay(address: string): string {
  return net.isIPv6(address) && !address.includes('%')
    ? formatIpv6(ipv6ToNumber(address))
    : address;
}

function taken(name: string, what: string, who: string): InputError {
  return new InputError(`VM ${name}: its ${what} belongs to ${who}`, {
    hint: 'the records and the VMs of this host differ: compare list with vms/*/vm.json',
  });
}
