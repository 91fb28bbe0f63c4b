import * as path from 'node:path';
import { helpText, versionText } from './help.ts';
import { LOOKING, runLooking } from './looking.ts';
import { stderr, stdout } from './stdio.ts';
import { VERBS, verbOfCommand } from './verbs.ts';

/**
 * One program, many names: called as blockhost-vm-<verb> the name says what to do, called as
 * blockhost-qemu the first argument does.
 */
async function main(): Promise<number> {
  const [, program = 'blockhost-qemu', ...rest] = process.argv;
  const command = path.basename(program);
  const named = verbOfCommand(command);
  if (named !== undefined) return await run(named, command, rest);
  // The shell's fast path (bin/) hands over what it does not answer, under the name it was called by.
  if (rest[0] === '--as') {
    const [, as = '', ...args] = rest;
    const verb = verbOfCommand(as);
    if (verb !== undefined) return await run(verb, as, args);
  }
  const [first = '--help', ...args] = rest;
  if (first === '--help' || first === '-h' || first === 'help') {
    const about = first === 'help' ? args[0] : undefined;
    if (about !== undefined && Object.hasOwn(VERBS, about)) {
      return await run(about, `blockhost-qemu ${about}`, ['--help']);
    }
    stdout().write(helpText());
    return 0;
  }
  if (first === '--version' || first === '-V' || first === 'version') {
    stdout().write(versionText());
    return 0;
  }
  if (Object.hasOwn(VERBS, first)) return await run(first, `blockhost-qemu ${first}`, args);
  const said = first.replace(/[^\x21-\x7e]/g, '?').slice(0, 40);
  stderr().write(`blockhost-qemu: there is no verb ${said}; blockhost-qemu --help lists them\n`);
  return 1;
}

async function run(verb: string, command: string, argv: readonly string[]): Promise<number> {
  if (Object.hasOwn(LOOKING, verb)) return await runLooking(verb, command, argv);
  const { runActing } = await import('./acting.ts');
  return await runActing(verb, command, argv);
}

// Files that are not for everybody get their modes by name; directories on the way to a VM must be passable.
process.umask(0o022);
// When nothing is left to do: Node would first take apart what the kernel takes back whole.
process.once('beforeExit', () => process.exit());
main().then((code) => {
  // 1 when a result could not be written, at whatever time.
  process.exitCode ||= code;
});
