import { canRunVms } from '../../vm/detect.ts';
import type { ActingVerb } from '../invocation.ts';

export const verb: ActingVerb = {
  summary: 'exit with 0 when this host can run VMs with QEMU, else with 1',
  privileges: 'root',
  declare(command) {
    command.addHelpText('after', '\nPrints nothing; --verbose says what is missing.');
  },
  async run({ host }) {
    return (await canRunVms(host)) ? 0 : 1;
  },
};
