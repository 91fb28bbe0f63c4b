import { type Command, Option } from 'commander';
import { InputError } from '../../errors.ts';
import { RESTART_POLICIES, type RestartPolicy } from '../../store/vm-config.ts';
import { readCloudInitContent } from '../../vm/create-spec.ts';
import { type Extras, parseExtraDisk, parseForward, parseSegment } from '../../vm/extras.ts';
import { parseAddress, parseGateway, type StaticAddress } from '../../vm/static-address.ts';
import type { Invocation } from '../invocation.ts';
import { collect, stringOption, strings } from '../options.ts';

/** Options of `create` for what a VM can have beyond a disk and a card. */
export function declareExtras(command: Command): void {
  command
    .option('--hostname <name>', "the guest's host name (default: the VM's name)")
    .option(
      '--forward <rule>',
      '[tcp:|udp:][ADDRESS:]HOSTPORT:GUESTPORT: a port of this host leads to the guest (repeatable)',
      collect,
      [],
    )
    .option(
      '--private-network <address/prefix>',
      'a further card, on a network of VMs of this host (repeatable)',
      collect,
      [],
    )
    .option('--address <address/prefix>', 'a static address on the bridge')
    .option('--gateway <address>', 'the way out for --address')
    .option('--extra-disk <GB or image>', 'a further disk (repeatable)', collect, [])
    .option('--user-data <file>', 'more user-data for cloud-init (repeatable)', collect, [])
    .addOption(restartOption())
    .addOption(new Option('--no-wait', 'return when QEMU runs, without waiting for the guest'));
}

/** Of `create` and `configure`. */
export function restartOption(): Option {
  return new Option(
    '--restart <policy>',
    'on-crash: it is started again when its QEMU or its kernel has crashed (default: never)',
  ).choices(RESTART_POLICIES);
}

export function restartOf(options: Invocation['options']): RestartPolicy | undefined {
  return RESTART_POLICIES.find((policy) => policy === options.restart);
}

/** @throws InputError naming the option that is wrong. */
export function extrasOf(options: Invocation['options']): Extras {
  return {
    hostname: stringOption(options, 'hostname'),
    forwards: strings(options.forward).map(parseForward),
    segments: strings(options.privateNetwork).map(parseSegment),
    disks: strings(options.extraDisk).map(parseExtraDisk),
    userData: strings(options.userData).map(readCloudInitContent),
    address: addressOf(options),
    restart: restartOf(options),
    wait: options.wait !== false,
  };
}

function addressOf(options: Invocation['options']): StaticAddress | undefined {
  const [text, gateway] = [stringOption(options, 'address'), stringOption(options, 'gateway')];
  if (text === undefined) {
    if (gateway === undefined) return undefined;
    throw new InputError('--gateway is for --address only', {
      hint: 'give the address that the gateway is the way out for',
    });
  }
  const address = parseAddress('--address', text);
  return {
    ...address,
    gateway: gateway === undefined ? undefined : parseGateway(gateway, address),
  };
}
