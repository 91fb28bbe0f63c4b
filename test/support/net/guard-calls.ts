import { driverFile } from '../bundle-driver.ts';
import type { Namespace } from '../namespace.ts';
import { type ProgramOptions, Running } from '../program.ts';
import type { GuardCall } from './guard-driver.ts';

/** Calls of src/net/guard inside a namespace. @returns what each gave; `{error}` for one that threw. */
export async function guardCalls(
  namespace: Namespace,
  calls: readonly GuardCall[],
  options: ProgramOptions = {},
): Promise<unknown[]> {
  const words = calls.map((call) => JSON.stringify(call));
  const argv = [process.execPath, await driverFile('net/guard-driver'), ...words];
  const { stdout, stderr } = await new Running(argv, { prefix: namespace.prefix, ...options }).done;
  if (stdout === '') throw new Error(`the guard driver failed: ${stderr}`);
  return JSON.parse(stdout) as unknown[];
}
