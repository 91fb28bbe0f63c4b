import assert from 'node:assert/strict';
import type { Finished } from '../program.ts';
import type { Sandbox } from '../sandbox.ts';
import type { BlankVms } from './blank-vms.ts';

/** Command lines of verbs that change, or look at, a VM of this name. */
export const MANY_VERBS: readonly ((vms: BlankVms, name: string) => string[])[] = [
  (vms, name) => vms.createArgs(name),
  (_, name) => ['destroy', name],
  (_, name) => ['start', name],
  (_, name) => ['stop', name, '--timeout', '0'],
  (_, name) => ['kill', name],
  (_, name) => ['pause', name],
  (_, name) => ['throttle', name, '--iops-read', '700'],
  (_, name) => ['configure', name, '--memory', '160'],
  (_, name) => ['snapshot', 'create', name, 's1'],
  (_, name) => ['status', name],
  (_, name) => ['inspect', name],
];
/** What a verb may find that came too late, or too early, or whose turn did not come. */
const REFUSAL =
  /does not exist|exists already|is not running|is running:|is in use by (\w+ of \w+ \(pid \d+\)|the root side \(\w+\)|another command)|has a snapshot s1 already|cannot (go on|be paused)/;

export function runLine(sandbox: Sandbox, [verb = '', ...args]: string[]): Promise<Finished> {
  return sandbox.run(verb, args);
}

/** Done or refused, in words that tell why. */
export function assertEnd(argv: readonly string[], { code, stderr }: Finished): void {
  assert.ok(code === 0 || code === 1, `${argv.join(' ')}: ${code}: ${stderr}`);
  assert.doesNotMatch(stderr, /internal error|^\s+at /m);
  if (code === 1) assert.match(stderr.trimEnd().split('\n').at(-1) ?? '', REFUSAL, argv.join(' '));
}
