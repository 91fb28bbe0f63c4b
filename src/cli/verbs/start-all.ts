import { startFleet } from '../../vm/fleet.ts';
import { printFleet } from '../fleet-output.ts';
import type { ActingVerb } from '../invocation.ts';

export const verb: ActingVerb = {
  summary: 'start every VM whose record is active, as at boot',
  declare(command) {
    command.addHelpText(
      'after',
      '\nFor the unit that runs at boot; one that runs already stays as it is.',
    );
  },
  async run({ host, out }) {
    return printFleet(out, 'started', await startFleet(host));
  },
};
