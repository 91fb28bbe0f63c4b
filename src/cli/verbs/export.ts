import { parseVmName } from '../../types.ts';
import { exportVm } from '../../vm/export.ts';
import type { ActingVerb } from '../invocation.ts';

export const verb: ActingVerb = {
  summary: 'write the disk of a VM that is off as an image that stands alone',
  declare(command) {
    command
      .argument('<name>', 'the VM')
      .argument('<file>', 'the qcow2 image to write; one that exists is not replaced')
      .addHelpText('after', '\nThe image serves create --image, here and elsewhere.');
  },
  async run({ args, host, out }) {
    const name = parseVmName(args[0]);
    const file = args[1] ?? '';
    await exportVm(host, name, file);
    out.line(`the disk of VM ${name} is in ${file}`);
    return 0;
  },
};
