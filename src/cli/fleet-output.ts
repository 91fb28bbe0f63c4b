import type { FleetResult } from '../vm/fleet.ts';
import type { Output } from './invocation.ts';

/** One line per VM. @returns the exit code: 1 when any failed. */
export function printFleet(out: Output, word: string, { done, failed }: FleetResult): number {
  for (const name of done) out.line(`VM ${name} is ${word}`);
  for (const { name, why } of failed) out.note(why.includes(name) ? why : `VM ${name}: ${why}`);
  return failed.length === 0 ? 0 : 1;
}
