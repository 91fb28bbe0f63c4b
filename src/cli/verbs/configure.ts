import { InputError } from '../../errors.ts';
import { parseVmName } from '../../types.ts';
import { type Changes, configureVm } from '../../vm/configure.ts';
import { parseForward } from '../../vm/extras.ts';
import type { ActingVerb } from '../invocation.ts';
import { collect, numberOption, strings, wholeNumber } from '../options.ts';
import { restartOf, restartOption } from './create-extras.ts';

export const verb: ActingVerb = {
  summary: 'change what the next start makes of a VM that is off; --restart also of one that runs',
  declare(command) {
    command
      .argument('<name>', 'the VM')
      .option('--cpu <count>', 'vCPUs', wholeNumber)
      .option('--memory <MB>', 'memory in MB', wholeNumber)
      .option(
        '--forward <rule>',
        '[tcp:|udp:][ADDRESS:]HOSTPORT:GUESTPORT (repeatable); replaces all it had',
        collect,
      )
      .addOption(restartOption())
      .option('--no-forward', 'forward no port but that of ssh')
      .option('--no-limits', 'take away every limit that throttle has set');
  },
  async run({ args, options, host, out }) {
    const name = parseVmName(args[0]);
    const changes: Changes = {
      vcpus: numberOption(options, 'cpu'),
      memoryMb: numberOption(options, 'memory'),
      restart: restartOf(options),
      noLimits: options.limits === false ? true : undefined,
      forwards: options.forward === false ? [] : forwardsOf(options.forward),
    };
    if (Object.values(changes).every((value) => value === undefined)) {
      throw new InputError('nothing is to be changed', { hint: 'name an option; see --help' });
    }
    const keys = await configureVm(host, name, changes);
    out.line(`VM ${name}: ${keys.length === 0 ? 'nothing changed' : `${keys.join(', ')} changed`}`);
    return 0;
  },
};

function forwardsOf(value: unknown): ReturnType<typeof parseForward>[] | undefined {
  return Array.isArray(value) ? strings(value).map(parseForward) : undefined;
}
