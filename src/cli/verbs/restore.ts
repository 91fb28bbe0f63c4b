import { InputError } from '../../errors.ts';
import { parseVmName } from '../../types.ts';
import { restoreVm } from '../../vm/backup/restore.ts';
import type { ActingVerb, Invocation } from '../invocation.ts';
import { collect, numberOption, stringOption, wholeNumber } from '../options.ts';
import { readKeys } from './create.ts';

export const verb: ActingVerb = {
  summary: 'make a new VM of a backup',
  needsSettings: true,
  declare(command) {
    command
      .argument(
        '<file...>',
        'the complete backup, its increments in order, and the name of the new VM',
      )
      .option('--cpu <count>', 'vCPUs (default: as backed up)', wholeNumber)
      .option('--memory <MB>', 'memory in MB (default: as backed up)', wholeNumber)
      .option('--bridge <name>', 'the bridge to plug into')
      .option('--ssh-key <file>', 'public key for the account (repeatable)', collect, [])
      .option('--owner-wallet <address>', 'wallet of the owner (a VM of BlockHost needs one)')
      .option('--expiry-days <days>', 'days until it expires', wholeNumber)
      .option('--no-wait', 'return when QEMU runs, without waiting for the guest')
      .option('--check', 'only verify the files; without a name')
      .addHelpText(
        'after',
        `
The files are verified before anything is made. The new VM has an identity of its own: name, MAC address, network
address, instance id. When anything fails nothing is left behind.

Example:
  blockhost-qemu restore web1.full web1.1 web1.2 web2`,
      );
  },
  named: (given) => ({ restoreFrom: filesOf(given) }),
  async run({ args, options, host, out }) {
    const check = options.check === true;
    const files = filesOf({ args, options });
    if (files.length === 0)
      throw new InputError('restore needs a backup and a name for the new VM');
    const result = await restoreVm(host, check ? undefined : parseVmName(args.at(-1)), {
      vcpus: numberOption(options, 'cpu'),
      memoryMb: numberOption(options, 'memory'),
      bridge: stringOption(options, 'bridge'),
      sshKeys: Array.isArray(options.sshKey) ? options.sshKey.flatMap(readKeys) : [],
      wallet: stringOption(options, 'ownerWallet') ?? '',
      expiryDays: numberOption(options, 'expiryDays'),
      wait: options.wait !== false,
    });
    if (result === undefined) out.line(`${files.join(', ')}: complete and undamaged`);
    else out.line(`VM ${result.vm_name} is restored (address ${result.ip || 'not known yet'})`);
    return 0;
  },
};

/** All but the last word, which is the name. */
function filesOf({ args, options }: Pick<Invocation, 'args' | 'options'>): string[] {
  return options.check === true ? args : args.slice(0, -1);
}
