import child from 'node:child_process';
import * as path from 'node:path';
import { base, die, reach } from './points.ts';

/** Every command that is run is a point: it can fail, hang, or go on after its caller has died. */
export function watchCommands(): void {
  const { spawn } = child;
  const methods = child as unknown as Record<string, unknown>;
  methods.spawn = (command: string, args: readonly string[], options: child.SpawnOptions) => {
    const how = reach(`run ${nameOf(command, args)}`);
    if (how === 'error') return spawn('false', [], options);
    // On its command line stands whose it is.
    if (how === 'hang') return spawn('tail', ['-f', `${base}/hang`], options);
    const started = spawn(command, args, options);
    if (how === 'kill after') die();
    return started;
  };
}

function nameOf(command: string, args: readonly string[]): string {
  const words = [command, ...args].map((word) => path.basename(word));
  if (words.some((word) => word.startsWith('qemu-system'))) return 'QEMU';
  const tool = words.indexOf('qemu-img');
  if (tool !== -1) return words.slice(tool, tool + 2).join(' ');
  const target = args.findLast((word) => word.startsWith('/')) ?? '';
  return `${words[0]} ${target}`.trim();
}
