import { InputError } from '../../errors.ts';
import { collectGarbage, type GcOutcome, type GcPhase } from '../../vm/gc.ts';
import type { ActingVerb } from '../invocation.ts';
import { mockHost } from '../mock.ts';
import { numberOption, wholeNumber } from '../options.ts';

export const verb: ActingVerb = {
  summary: 'suspend VMs that have expired, destroy those suspended for long',
  needsSettings: true,
  declare(command) {
    command
      .option('--execute', 'really do it; without this only tell what would be done')
      .option('--suspend-only', 'only suspend')
      .option('--destroy-only', 'only destroy')
      .option(
        '--grace-days <days>',
        'days a VM stays suspended before it is destroyed (default: gc_grace_days, or 7)',
        wholeNumber,
      )
      .option('--mock', 'work on the records of ./mock-db.json, and on no VM')
      .addHelpText(
        'after',
        `
A VM whose expiry lies in the future is never destroyed. Exit code 1 when any VM failed.

Examples:
  blockhost-qemu gc                    what would be done
  blockhost-qemu gc --execute          what the timer runs every night on a BlockHost host`,
      );
  },
  async run({ args, options, host, out }) {
    if (args.length > 0) throw new InputError('gc takes no VM');
    const mock = options.mock === true;
    const outcomes = await collectGarbage(mock ? mockHost(host) : host, {
      execute: options.execute === true,
      phases: phasesOf(options),
      graceDays: numberOption(options, 'graceDays') ?? host.settings.gc_grace_days,
      mock,
    });
    for (const { name, what, why } of outcomes) {
      if (what === 'failed') out.note(`VM ${name} failed: ${why}`);
      else out.line(`VM ${name} ${WORDS[what]}: ${why}`);
    }
    if (outcomes.length === 0) out.line('nothing to collect');
    return outcomes.some(({ what }) => what === 'failed') ? 1 : 0;
  },
};

const WORDS: Record<Exclude<GcOutcome['what'], 'failed'>, string> = {
  finished: 'is tidied up',
  restarted: 'is started again',
  continued: 'goes on',
  suspended: 'is suspended',
  destroyed: 'is destroyed',
  left: 'is left alone',
  'would suspend': 'would be suspended',
  'would destroy': 'would be destroyed',
};

function phasesOf(options: Record<string, unknown>): GcPhase[] {
  const [suspend, destroy] = [options.suspendOnly === true, options.destroyOnly === true];
  if (suspend && destroy) throw new InputError('--suspend-only does not go with --destroy-only');
  if (suspend) return ['suspend'];
  return destroy ? ['destroy'] : ['suspend', 'destroy'];
}
