import { messageOf } from '../../errors.ts';
import { isVmName, quote } from '../../types.ts';
import { vmStatus } from '../../vm/status.ts';
import type { Verb } from '../invocation.ts';

export const verb: Verb = {
  summary: 'print the state of a VM in one word: active, suspended, destroyed or unknown',
  declare(command) {
    command
      .argument('[name]', 'the VM')
      .addHelpText('after', '\nThe exit code is always 0; what cannot be told is unknown.');
  },
  async run({ args, host, out }) {
    const name = args[0];
    if (!isVmName(name)) {
      out.note(name === undefined ? 'no VM name given' : `${quote(name)} is not a valid VM name`);
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
