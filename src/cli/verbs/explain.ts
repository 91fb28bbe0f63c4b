import { parseVmName, visible } from '../../types.ts';
import { eventLine } from '../../vm/explain/event-words.ts';
import { explainVm } from '../../vm/explain/explain.ts';
import { restartLine } from '../../vm/explain/restart-words.ts';
import type { Explanation } from '../../vm/explain/shape.ts';
import type { LookingVerb } from '../invocation.ts';

export const verb: LookingVerb = {
  summary: 'tell what happened to a VM: why it is off or paused, and what was done about it',
  declare(command) {
    command
      .argument('<name>', 'the VM')
      .option('--json', 'as one JSON object')
      .addHelpText(
        'after',
        `
Events are those that the resident sampler (blockhost-qemu statd) has noted since the host's boot. Without it the
host's own files still tell most causes. What nobody can know is said to be unknown.

Example:
  blockhost-qemu explain web1 --json | jq -r .cause`,
      );
  },
  async run({ args, options, host, out }) {
    const found = await explainVm(host, parseVmName(args[0]));
    out.line(
      options.json === true ? JSON.stringify(found) : inWords(found).map(visible).join('\n'),
    );
    return 0;
  },
};

function inWords(found: Explanation): string[] {
  const { vm_name, state, text, since, advice, busy, unfinished, events, watched } = found;
  const restart = restartLine(found.restart);
  return [
    `VM ${vm_name} is ${state === 'unknown' ? 'in an unknown state' : state}: ${text}`,
    ...(since === null ? sinceUnknown(found) : [`since ${since}`]),
    ...(busy ? ['a command works on it at this moment'] : []),
    ...(unfinished === null
      ? []
      : [`a ${unfinished.verb} of it died half-way: ${unfinished.next}`]),
    ...(restart === undefined ? [] : [restart]),
    ...(advice === null ? [] : [`what to do: ${advice}`]),
    ...(watched
      ? []
      : ['no sampler has watched it since the boot of the host (blockhost-qemu statd)']),
    ...section('events', events.map(eventLine)),
    ...(state === 'running' ? [] : section('last lines of its console', found.console)),
    ...(state === 'running' ? [] : section('what QEMU said', found.qemu)),
  ];
}

function sinceUnknown({ state, last_sign }: Explanation): string[] {
  if (state !== 'off' || last_sign === null) return [];
  return [`since when cannot be told; its console was last written to at ${last_sign}`];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)];
}
