// Calls of the network filter as a program of its own, which can be run in a network namespace. Takes them as
// JSON in its arguments; prints, as one line of JSON, what each gave.
import { messageOf } from '../../../src/errors.ts';
import type { Guard } from '../../../src/net/guard/guard.ts';
import {
  assertGuard,
  installGuard,
  pruneGuards,
  removeGuard,
} from '../../../src/net/guard/install.ts';
import { addRoute, removeRoute } from '../../../src/net/route.ts';
import { readGuard } from './guard-in-force.ts';

export type GuardCall =
  | { install: Guard }
  | { assert: Guard }
  | { remove: string }
  | { read: string }
  | { prune: string[] }
  | { addRoute: [ipv6: string, bridge: string] }
  | { removeRoute: [ipv6: string, bridge: string] };

const results: unknown[] = [];
for (const text of process.argv.slice(2)) {
  try {
    results.push((await call(JSON.parse(text) as GuardCall)) ?? null);
  } catch (error) {
    results.push({ error: messageOf(error) });
  }
}
process.stdout.write(`${JSON.stringify(results)}\n`);

async function call(order: GuardCall): Promise<unknown> {
  if ('install' in order) return await installGuard(order.install);
  if ('assert' in order) return await assertGuard(order.assert);
  if ('remove' in order) return await removeGuard(order.remove);
  if ('read' in order) return await readGuard(order.read);
  if ('prune' in order) return await pruneGuards(order.prune);
  if ('addRoute' in order) return await addRoute(...order.addRoute);
  return await removeRoute(...order.removeRoute);
}
