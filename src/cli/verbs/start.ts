import { parseVmName } from '../../types.ts';
import { startVm } from '../../vm/start.ts';
import type { ActingVerb } from '../invocation.ts';

const WORDS = {
  started: 'is started',
  continued: 'goes on',
  running: 'is running already',
};

export const verb: ActingVerb = {
  summary: 'start a VM that is off',
  declare(command) {
    command.argument('<name>', 'the VM; one that runs already is no error');
  },
  async run({ args, host, out }) {
    const name = parseVmName(args[0]);
    out.line(`VM ${name} ${WORDS[await startVm(host, name)]}`);
    return 0;
  },
};
