import { parseVmName } from '../../types.ts';
import { runInGuest } from '../../vm/guest-exec.ts';
import type { ActingVerb } from '../invocation.ts';
import { numberOption, wholeNumber } from '../options.ts';

export const verb: ActingVerb = {
  summary: 'run a shell command in the guest by its agent',
  declare(command) {
    command
      .argument('<name>', 'the VM')
      .argument('<command...>', 'joined by single spaces and given to /bin/sh -c in the guest')
      .option('--timeout <seconds>', 'how long the command may take', wholeNumber, 300)
      .passThroughOptions()
      .addHelpText(
        'after',
        `
Options stand before the name; what follows it, or a first -- after it, is the command, untouched. Output and
exit code are the command's own. When guest or agent fail, the exit code is 1 and stderr says why, within 5 s.

Examples:
  blockhost-qemu guest-exec web1 uname -a
  blockhost-qemu guest-exec web1 'systemctl is-active nginx && df -h /'`,
      );
  },
  async run({ args, options, host, out }) {
    const [name, ...rest] = args;
    // Habit from other tools; as a word of the command it could only fail.
    const words = rest.length > 1 && rest[0] === '--' ? rest.slice(1) : rest;
    const seconds = numberOption(options, 'timeout') ?? 300;
    const result = await runInGuest(host, parseVmName(name), words.join(' '), seconds * 1000);
    out.raw(result.stdout);
    out.rawError(result.stderr);
    if (result.truncated)
      out.note('the guest agent cut the output: it keeps 16 MiB of each stream');
    return result.exitCode;
  },
};
