import { ProvisionerError } from '../errors.ts';
import { ExecError, run } from '../host/exec.ts';

/** Runs ip(8) lines in their order; the first that fails ends it. @throws ProvisionerError naming that line. */
export async function applyIp(plan: readonly string[]): Promise<void> {
  if (plan.length === 0) return;
  try {
    await run('ip', ['-batch', '-'], { input: plan.map((line) => `${line}\n`).join('') });
  } catch (error) {
    throw explained(error, plan);
  }
}

/** ip says why in one line and which line of its input in the next. */
function explained(error: unknown, plan: readonly string[]): unknown {
  if (!(error instanceof ExecError) || error.missing) return error;
  const failed = /Command failed -:(\d+)/.exec(error.stderr)?.[1];
  if (failed === undefined) return error;
  const why = /(?:RTNETLINK answers|Error): (.*)/.exec(error.stderr)?.[1] ?? error.stderr;
  return new ProvisionerError(
    `ip ${plan[Number(failed) - 1]}: ${why.split('\n')[0]?.trim() ?? ''}`,
    {
      detail: error.stderr,
      cause: error,
    },
  );
}
