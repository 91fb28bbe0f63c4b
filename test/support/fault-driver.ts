// A command with faults, as a program of its own: one that can be killed, or run in a network namespace.
// Takes its orders as JSON in FAULT_ORDERS; prints, as one line of JSON, an outcome per fault.
import { loadConfig } from '../../src/host/config.ts';
import { localRoot } from '../../src/root/local.ts';
import { EmbeddedStore } from '../../src/store/embedded.ts';
import type { CreateSpec } from '../../src/vm/create-spec.ts';
import type { Host, RootContext } from '../../src/vm/host.ts';
import { createWithFault, type Fault, restartWithFault, startWithFault } from './faults.ts';
import { leftovers, runLeftovers } from './leftovers.ts';

export interface FaultOrders {
  create?: CreateSpec;
  /** The name of a VM. */
  start?: string;
  /** The name of a VM that has crashed. */
  restart?: string;
  faults: Fault[];
}

export interface FaultOutcome {
  fault: Fault;
  failure: string | undefined;
  left: string[];
}

const orders = JSON.parse(process.env.FAULT_ORDERS ?? '') as FaultOrders;
const config = await loadConfig();
const context: RootContext = {
  ...config,
  report: () => undefined,
  verbose: () => undefined,
  signal: new AbortController().signal,
};
const store = new EmbeddedStore(config.paths.records);
const host: Host = { ...context, root: localRoot(context), store };
const outcomes: FaultOutcome[] = [];
for (const fault of orders.faults) {
  const failure = await withFault(fault);
  const look = orders.create === undefined ? runLeftovers : leftovers;
  outcomes.push({ fault, failure, left: await look(config.paths) });
}
process.stdout.write(`${JSON.stringify(outcomes)}\n`);

function withFault(fault: Fault): Promise<string | undefined> {
  if (orders.create !== undefined) return createWithFault(host, orders.create, fault);
  if (orders.restart !== undefined) return restartWithFault(host, orders.restart, fault);
  return startWithFault(host, orders.start ?? '', fault);
}
