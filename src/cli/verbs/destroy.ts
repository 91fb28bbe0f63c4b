import { parseVmName } from '../../types.ts';
import { destroyVm } from '../../vm/destroy.ts';
import type { ActingVerb } from '../invocation.ts';

export const verb: ActingVerb = {
  summary: 'remove a VM: its process, disk, addresses and record',
  declare(command) {
    command.argument('<name>', 'the VM; one that is gone already is no error');
  },
  async run({ args, host, out }) {
    const name = parseVmName(args[0]);
    const was = await destroyVm(host, name);
    out.line(was ? `VM ${name} is destroyed` : `VM ${name} does not exist: nothing to do`);
    return 0;
  },
};
