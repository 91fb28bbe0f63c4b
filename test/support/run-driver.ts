import { driverFile } from './bundle-driver.ts';
import type { FaultOrders, FaultOutcome } from './fault-driver.ts';
import { type Finished, Running } from './program.ts';
import type { Sandbox } from './sandbox.ts';

/** Runs the fault driver on a sandbox. With a fault of kind `kill` it ends by SIGKILL. */
export async function driver(
  sandbox: Sandbox,
  orders: FaultOrders,
  prefix: readonly string[] = [],
): Promise<Finished> {
  const env = { ...sandbox.env, FAULT_ORDERS: JSON.stringify(orders) };
  return await new Running([process.execPath, await driverFile('fault-driver')], { env, prefix })
    .done;
}

export async function outcomes(
  sandbox: Sandbox,
  orders: FaultOrders,
  prefix?: readonly string[],
): Promise<FaultOutcome[]> {
  const { stdout, stderr } = await driver(sandbox, orders, prefix);
  if (stdout === '') throw new Error(`the fault driver failed: ${stderr}`);
  return JSON.parse(stdout) as FaultOutcome[];
}
