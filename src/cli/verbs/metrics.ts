import { sampleVm } from '../../metrics/sample.ts';
import { parseVmName } from '../../types.ts';
import type { Verb } from '../invocation.ts';

export const verb: Verb = {
  summary: 'print what a VM uses, as one JSON object',
  declare(command) {
    command
      .argument('<name>', 'the VM')
      .addHelpText(
        'after',
        '\nRates are averages since the previous call; the first call after a start gives 0 for them.',
      );
  },
  async run({ args, host, out }) {
    const { record } = await sampleVm(host.paths, parseVmName(args[0]));
    out.line(JSON.stringify(record));
    return 0;
  },
};
