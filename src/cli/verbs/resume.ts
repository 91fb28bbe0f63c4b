import { parseVmName } from '../../types.ts';
import { resumeVm } from '../../vm/resume.ts';
import type { ActingVerb } from '../invocation.ts';
import { mockHost } from '../mock.ts';
import { numberOption, wholeNumber } from '../options.ts';

export const verb: ActingVerb = {
  summary: 'start a VM that gc has suspended, and mark it active',
  needsSettings: true,
  declare(command) {
    command
      .argument('<name>', 'the VM; its record has to say suspended')
      .option(
        '--extend-days <days>',
        'days to add to the expiry (default: only when it has passed, to that of a new VM)',
        wholeNumber,
      )
      .option('--dry-run', 'only tell what would be done')
      .option('--mock', 'work on the records of ./mock-db.json, and on no VM')
      .addHelpText('after', '\nAn expiry that lies in the future is never shortened.');
  },
  async run({ args, options, host, out }) {
    const name = parseVmName(args[0]);
    const mock = options.mock === true;
    const dryRun = options.dryRun === true;
    const { expiresAt } = await resumeVm(mock ? mockHost(host) : host, name, {
      extendDays: numberOption(options, 'extendDays'),
      dryRun,
      mock,
    });
    out.line(`VM ${name} ${dryRun ? 'would be' : 'is'} active until ${expiresAt}`);
    return 0;
  },
};
