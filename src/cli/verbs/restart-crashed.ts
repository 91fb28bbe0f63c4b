import { outcomeWords } from '../../vm/restart/outcome-words.ts';
import { restartCrashed } from '../../vm/restart/restart-crashed.ts';
import type { ActingVerb } from '../invocation.ts';

/** It could not look at some of them: starting it anew would not help. The unit knows this code. */
const LOOKED_BUT_SOME = 2;

export const verb: ActingVerb = {
  summary:
    'start VMs that have crashed, if their --restart says on-crash; let those go on that waited for room',
  declare(command) {
    command.addHelpText(
      'after',
      `
The first attempt comes after a second, the next after 10 s, 1 min and 5 min, then it is given up; a VM that ran for
10 minutes is well again. Returns when nothing is left to be waited for; the exit code is 2 when some VMs could not be
looked at, however often it tried. On hosts with systemd the unit blockhost-qemu-restart.path runs it when the sampler
has seen a crash; elsewhere the sampler does so itself.`,
    );
  },
  async run({ host, out }) {
    const told = new Map<string, string>();
    const unknown = await restartCrashed(host, {
      patienceMs: Number.POSITIVE_INFINITY,
      onOutcome(name, outcome) {
        const { what } = outcome;
        const words = what === 'left' || what === 'busy' ? undefined : outcomeWords(outcome);
        if (words !== undefined && told.get(name) !== words) out.line(`VM ${name} ${words}`);
        told.set(name, words ?? '');
      },
    });
    return unknown.length === 0 ? 0 : LOOKED_BUT_SOME;
  },
};
