import { InputError } from '../../errors.ts';
import { MiB, parseVmName } from '../../types.ts';
import { backupVm } from '../../vm/backup/backup.ts';
import type { ActingVerb } from '../invocation.ts';
import { numberOption, stringOption, wholeNumber } from '../options.ts';

export const verb: ActingVerb = {
  summary: 'write what the disks of a VM hold to a file or a pipe',
  declare(command) {
    command
      .argument('<name>', 'the VM; one that runs goes on')
      .requiredOption('--to <file>', 'where to; one that exists is not replaced; - is stdout')
      .option('--incremental', 'only what was written since the last backup')
      .option('--rate <MB/s>', 'how fast the disks of a running VM are copied', wholeNumber)
      .addHelpText(
        'after',
        `
A VM that runs is copied as it is at one moment, at which the guest agent, if it answers, has its file systems at rest.
The copy lies beside the disks until it is written. What is written to the disks since is noted for the next increment.
The file appears when it is complete; when a backup fails, the VM and its chain of backups are as before.

Examples:
  blockhost-qemu backup web1 --to /srv/backup/web1.full
  blockhost-qemu backup web1 --incremental --to /srv/backup/web1.1
  blockhost-qemu backup web1 --to - | zstd > web1.zst
  blockhost-qemu restore /srv/backup/web1.full /srv/backup/web1.1 web2`,
      );
  },
  named: ({ options }) => ({ backupTo: stringOption(options, 'to') }),
  async run({ args, options, host, out }) {
    const name = parseVmName(args[0]);
    const to = stringOption(options, 'to') ?? '';
    const piped = to === '-';
    if (piped && out.terminal) throw new InputError('a backup is nothing for a terminal');
    const done = await backupVm(host, name, {
      incremental: options.incremental === true,
      speed: (numberOption(options, 'rate') ?? 0) * MiB,
    });
    const kind = done.parent === null ? 'complete' : `increment ${done.sequence}`;
    const rest =
      done.quiesced === null ? 'off' : done.quiesced ? 'file systems at rest' : 'as after a crash';
    const said = `VM ${name} is backed up${piped ? '' : ` to ${to}`} (${kind}, ${Math.ceil(done.bytes / MiB)} MB, ${rest})`;
    if (piped) out.note(said);
    else out.line(said);
    return 0;
  },
};
