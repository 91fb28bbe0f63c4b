import * as fs from 'node:fs';
import * as path from 'node:path';
import { build } from 'esbuild';
import type { FaultOrders, FaultOutcome } from './fault-driver.ts';
import { type Finished, projectRoot, Running } from './program.ts';
import type { Sandbox } from './sandbox.ts';

let built: Promise<string> | undefined;

/** Runs the fault driver on a sandbox. With a fault of kind `kill` it ends by SIGKILL. */
export async function driver(
  sandbox: Sandbox,
  orders: FaultOrders,
  prefix: readonly string[] = [],
): Promise<Finished> {
  built ??= bundle();
  const env = { ...sandbox.env, FAULT_ORDERS: JSON.stringify(orders) };
  return await new Running([process.execPath, await built], { env, prefix }).done;
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

/** Inside the project, where it finds the libraries; one per process of the tests. */
async function bundle(): Promise<string> {
  const folder = path.join(projectRoot(), 'build', 'drivers');
  fs.mkdirSync(folder, { recursive: true });
  const outfile = path.join(folder, `fault-driver-${process.pid}.mjs`);
  process.once('exit', () => fs.rmSync(outfile, { force: true }));
  await build({
    entryPoints: [path.join(projectRoot(), 'test', 'support', 'fault-driver.ts')],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    logLevel: 'warning',
  });
  return outfile;
}
