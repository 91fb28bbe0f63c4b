import { stopFleet } from '../../vm/fleet.ts';
import { printFleet } from '../fleet-output.ts';
import type { ActingVerb } from '../invocation.ts';

export const verb: ActingVerb = {
  summary: 'power every running VM off, asking the guests first',
  declare(command) {
    command.addHelpText(
      'after',
      '\nFor the unit that runs at shutdown; records stay as they are, so that the next boot starts the same VMs.',
    );
  },
  async run({ host, out }) {
    return printFleet(out, 'stopped', await stopFleet(host));
  },
};
