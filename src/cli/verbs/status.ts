import { messageOf } from '../../errors.ts';
import { isVmName, quote } from '../../types.ts';
import { vmStatus } from '../../vm/status.ts';
import type { LookingVerb } from '../invocation.ts';

export const verb: LookingVerb = {
  summary: 'print the state of a VM in one word: active, suspended, destroyed or unknown',
  oneWord: true,
  declare(command) {
    command
      .argument('[name]', 'the VM')
      // Whatever is asked has an answer.
      .allowUnknownOption()
      .allowExcessArguments()
      .addHelpText('after', '\nThe exit code is always 0; what cannot be told is unknown.');
  },
  blind(_given, out) {
    out.line('unknown');
  },
  async run({ args, host, out }) {
    const [name, ...more] = args;
    if (!isVmName(name) || more.length > 0) {
      out.note(`${quote(args.join(' '))} is not the name of a VM`);
      out.line('unknown');
      return 0;
    }
    try {
      out.line(await vmStatus(host, name));
    } catch (error) {
      out.note(messageOf(error));
      out.line('unknown');
    }
    return 0;
  },
};
