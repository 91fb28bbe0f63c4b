import { messageOf, ProvisionerError } from '../../errors.ts';
import { runningIncarnation } from '../../store/incarnation.ts';
import type { StartContext } from '../start-context.ts';
import { applyLimits } from './apply.ts';
import { hasAny } from './merge.ts';

/** A VM that is limited does not run without its limits. */
export async function limitStart({
  name,
  files,
  config,
  qmp,
  context,
}: StartContext): Promise<void> {
  const { limits } = config;
  if (limits === undefined || !hasAny(limits)) return;
  const run = runningIncarnation(files);
  if (qmp === undefined || run === undefined)
    throw new ProvisionerError(`VM ${name}: QEMU has ended before it was limited`);
  const { runner, pid } = run;
  const vm = { name, files, config, runner, pid, qmp: () => Promise.resolve(qmp) };
  const [failure] = await applyLimits(vm, limits);
  if (failure === undefined) return context.verbose('limits are in force');
  throw new ProvisionerError(
    `VM ${name}: its ${failure.group} limits cannot be put in force: ${messageOf(failure.cause)}`,
    {
      cause: failure.cause,
      hint: `mend that, or on a host of your own lift its limits: configure ${name} --no-limits`,
    },
  );
}
