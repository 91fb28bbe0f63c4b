import { parseVmName } from '../../types.ts';
import { pauseVm } from '../../vm/pause.ts';
import type { ActingVerb } from '../invocation.ts';

export const verb: ActingVerb = {
  summary: 'halt a running VM where it is; start lets it go on',
  declare(command) {
    command.argument('<name>', 'the VM; one that is paused already is no error');
  },
  async run({ args, host, out }) {
    const name = parseVmName(args[0]);
    out.line((await pauseVm(host, name)) ? `VM ${name} is paused` : `VM ${name} is paused already`);
    return 0;
  },
};
