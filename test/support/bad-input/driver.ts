// Runs many hostile command lines in one process: a Node of its own for each would take most of the time. Takes a
// seed and a number; prints, as lines of JSON, those that did not end as they have to, and at last how many there were.
import * as fs from 'node:fs';
import { runActing } from '../../../src/cli/acting.ts';
import { LOOKING, runLooking } from '../../../src/cli/looking.ts';
import { stdout } from '../../../src/cli/stdio.ts';
import { Random } from '../random.ts';
import { hostileLine } from './hostile.ts';
import { wrongEnd } from './wrong-end.ts';

const [seed = 0, count = 0] = process.argv.slice(2).map(Number);
const random = new Random(seed);
// What is said goes by the streams, from the first line on.
stdout();
const said = { stdout: '', stderr: '' };
for (const name of ['stdout', 'stderr'] as const)
  process[name].write = ((bytes: Uint8Array | string) => {
    said[name] += String(bytes);
    return true;
  }) as typeof process.stdout.write;

const codes: Record<number, number> = {};
for (let i = 0; i < count; i++) {
  const { verb, args } = hostileLine(random);
  Object.assign(said, { stdout: '', stderr: '' });
  const command = `blockhost-vm-${verb}`;
  const looks = Object.hasOwn(LOOKING, verb);
  const end = await within(
    looks ? runLooking(verb, command, args) : runActing(verb, command, args),
  );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal);
  codes[end ?? -1] = (codes[end ?? -1] ?? 0) + 1;
  const wrong = wrongEnd(verb, end, said);
  if (wrong !== undefined) print({ case: i, wrong, verb, stderr: said.stderr.slice(0, 200), args });
}
print({ codes });
process.exit(0);

/** @returns undefined when it threw or hung, which no verb ever does. */
async function within(work: Promise<number>): Promise<number | undefined> {
  const never = new Promise<undefined>((resolve) => {
    setTimeout(() => resolve(undefined), 20_000).unref();
  });
  return await Promise.race([work.catch(() => undefined), never]);
}

function print(value: unknown): void {
  fs.writeSync(1, `${JSON.stringify(value)}\n`);
}
