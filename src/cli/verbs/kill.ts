import { parseVmName } from '../../types.ts';
import { killVm } from '../../vm/stop.ts';
import type { ActingVerb } from '../invocation.ts';

export const verb: ActingVerb = {
  summary: 'end a VM at once, like pulling the plug',
  declare(command) {
    command.argument('<name>', 'the VM; one that is off already is no error');
  },
  async run({ args, host, out }) {
    const name = parseVmName(args[0]);
    out.line((await killVm(host, name)) ? `VM ${name} is killed` : `VM ${name} is off already`);
    return 0;
  },
};
