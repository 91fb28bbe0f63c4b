import { InputError } from '../../errors.ts';
import { fileSink, streamSink } from '../../host/sink.ts';
import { MiB, parseVmName } from '../../types.ts';
import { backupVm } from '../../vm/backup/backup.ts';
import type { ActingVerb } from '../invocation.ts';
import { stringOption } from '../options.ts';

export const verb: ActingVerb = {
  summary: 'write what the disks of a VM hold to a file or a pipe',
  declare(command) {
    command
      .argument('<name>', 'the VM, which has to be off')
      .requiredOption('--to <file>', 'where to; one that exists is not replaced; - is stdout')
      .option('--incremental', 'only what was written since the last backup')
      .addHelpText(
        'after',
        `
What is written while the VM runs is noted in its disks for the next increment.
The file appears when it is complete; when a backup fails, the VM and its chain of backups are as before.

Examples:
  blockhost-qemu backup web1 --to /srv/backup/web1.full
  blockhost-qemu backup web1 --incremental --to /srv/backup/web1.1
  blockhost-qemu backup web1 --to - | zstd > web1.zst
  blockhost-qemu restore /srv/backup/web1.full /srv/backup/web1.1 web2`,
      );
  },
  async run({ args, options, host, out }) {
    const name = parseVmName(args[0]);
    const to = stringOption(options, 'to') ?? '';
    const piped = to === '-';
    if (piped && out.terminal) throw new InputError('a backup is nothing for a terminal');
    const sink = piped ? streamSink(process.stdout) : fileSink(to);
    const done = await backupVm(host, name, sink, options.incremental === true);
    const kind = done.parent === null ? 'complete' : `increment ${done.sequence}`;
    const rest =
      done.quiesced === null ? 'off' : done.quiesced ? 'file systems at rest' : 'as after a crash';
    const said = `VM ${name} is backed up${piped ? '' : ` to ${to}`} (${kind}, ${Math.ceil(done.bytes / MiB)} MB, ${rest})`;
    if (piped) out.note(said);
    else out.line(said);
    return 0;
  },
};
