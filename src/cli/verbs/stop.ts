import { InputError } from '../../errors.ts';
import { parseVmName } from '../../types.ts';
import { STOP_LIMIT_MS, type Stopped, stopVm } from '../../vm/stop.ts';
import type { ActingVerb } from '../invocation.ts';
import { numberOption, wholeNumber } from '../options.ts';

const LIMIT_SECONDS = STOP_LIMIT_MS / 1000;

export const verb: ActingVerb = {
  summary: 'power a VM off: ask the guest (ACPI), ask again, quit QEMU, kill it',
  declare(command) {
    command
      .argument('<name>', 'the VM; one that is off already is no error')
      .option(
        '--timeout <seconds>',
        'when the VM is off at the latest; 0 asks no guest',
        wholeNumber,
        LIMIT_SECONDS,
      )
      .addHelpText('after', '\nThe line on stdout tells which rung of the ladder was needed.');
  },
  async run({ args, options, host, out }) {
    const name = parseVmName(args[0]);
    const seconds = numberOption(options, 'timeout') ?? LIMIT_SECONDS;
    if (seconds > LIMIT_SECONDS) {
      throw new InputError(`--timeout ${seconds} is out of range`, {
        hint: `use 0 to ${LIMIT_SECONDS} seconds`,
      });
    }
    const guest = seconds === 0 ? 'was not asked' : 'did not power down';
    out.line(`VM ${name} ${describe(await stopVm(host, name, seconds * 1000), guest)}`);
    return 0;
  },
};

/** @param guest what it did when it was not it that ended the VM */
function describe({ rung, seconds }: Stopped, guest: string): string {
  const after = `after ${seconds.toFixed(1)} s`;
  switch (rung) {
    case 'absent':
      return 'is off already';
    case 'guest':
      return `is off: the guest powered down ${after}`;
    case 'guest, asked again':
      return `is off: the guest powered down ${after}, when asked again`;
    case 'quit':
      return `is off: the guest ${guest}, QEMU was told to quit ${after}`;
    case 'killed':
      return `is off: neither guest nor QEMU answered, QEMU was killed ${after}`;
  }
}
